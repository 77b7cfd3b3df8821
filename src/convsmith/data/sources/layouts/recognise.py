"""In which published layout a folder is, by its files: their folders may be called anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from convsmith.data.dataset import Finding
from convsmith.data.sources.layouts.caltech import is_caltech, read_caltech
from convsmith.data.sources.layouts.cifar import is_cifar, read_cifar
from convsmith.data.sources.layouts.cub import is_cub, read_cub
from convsmith.data.sources.layouts.detection import detection_format
from convsmith.data.sources.layouts.dogs import is_dogs, read_dogs
from convsmith.data.sources.layouts.emnist import is_emnist, read_emnist
from convsmith.data.sources.layouts.flowers import is_flowers, read_flowers
from convsmith.data.sources.layouts.food import is_food, read_food
from convsmith.data.sources.layouts.listed import subfolders
from convsmith.data.sources.layouts.pets import is_pets, read_pets
from convsmith.data.sources.layouts.svhn import is_svhn, read_svhn
from convsmith.data.sources.layouts.tiny_imagenet import is_tiny_imagenet, read_tiny_imagenet
from convsmith.data.sources.listing import Listing
from convsmith.errors import DataError

MAX_FOLDERS = 4
"""Folders of which one may be the data set, and the others what else its archives hold."""

MAX_WRAPPERS = 2
"""Folders that hold nothing but another, as archives are unpacked."""


class Layout(NamedTuple):
    """How a layout is known, from a folder and the names in it, and what reads it."""

    known: Callable[[Path, Collection[str]], bool]
    read: Callable[[Path], Listing]


LAYOUTS = (
    Layout(is_dogs, read_dogs),
    Layout(is_flowers, read_flowers),
    Layout(is_pets, read_pets),
    Layout(is_cub, read_cub),
    Layout(is_food, read_food),
    Layout(is_tiny_imagenet, read_tiny_imagenet),
    Layout(is_cifar, read_cifar),
    Layout(is_svhn, read_svhn),
    Layout(lambda folder, names: is_emnist(folder), read_emnist),
    Layout(is_caltech, read_caltech),
)


def read_layout(folder: Path) -> Listing | None:
    """Lists a data set in a published layout, in the folder or in the one folder in it that is one; None for others.

    Raises DataError for several data sets in one folder, for one of detection, and for files that are not as published.
    """
    found = layout_of(folder)
    if found is None:
        return None
    place, layout = found
    if layout is None:
        raise DataError(
            f"{place} has detection labels ({detection_format(place, _names(place))}); convsmith classifies: crop the "
            "boxes into a folder for each class"
        )
    listing = layout.read(place)
    if place == folder:
        return listing
    return replace(listing, notes=(Finding(str(folder), f"{place.name} is read in its place"), *listing.notes))


def is_published(folder: Path) -> bool:
    """Whether a folder is in a published layout of images with one class each."""
    try:
        found = layout_of(folder)
    except DataError:
        return True
    return found is not None and found[1] is not None


def layout_of(folder: Path, wrappers: int = MAX_WRAPPERS) -> tuple[Path, Layout | None] | None:
    """The folder that is in a published layout, and the layout; None for the layout of a detection set.

    It is the folder itself or the only one in it, or in a folder that is alone in it. Raises DataError where there are
    several.
    """
    names = _names(folder)
    own = _layout_here(folder, names)
    if own is not None:
        return own
    inner = [folder / name for name in subfolders(folder)]
    if len(inner) > MAX_FOLDERS:
        return None
    found = [one for one in (_layout_here(place, _names(place)) for place in inner) if one is not None]
    if len(found) > 1:
        raise DataError(f"{folder} holds several data sets: {', '.join(place.name for place, _ in found)}; give one")
    if not found and len(inner) == 1 and wrappers:
        return layout_of(inner[0], wrappers - 1)
    return found[0] if found else None


def _layout_here(folder: Path, names: Collection[str]) -> tuple[Path, Layout | None] | None:
    with suppress(DataError):  # of folders that cannot be listed
        for layout in LAYOUTS:
            if layout.known(folder, names):
                return folder, layout
        if detection_format(folder, names) is not None:
            return folder, None
    return None


def _names(folder: Path) -> frozenset[str]:
    try:
        with os.scandir(folder) as found:
            return frozenset(entry.name for entry in found)
    except OSError:
        return frozenset()
