"""Caltech-101 (Fei-Fei et al. 2004) and Caltech-256 (Griffin et al. 2007): a folder of images for each class.

Caltech-101 has `BACKGROUND_Google/image_0001.jpg`, Caltech-256 `001.ak47/001_0001.jpg`. Neither has published splits.
Their backgrounds, `BACKGROUND_Google` and `257.clutter`, are no class: they are left out, with a note.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from convsmith.data.dataset import Finding
from convsmith.data.sources.layouts.listed import Member, images_in, listing_of, read_as, subfolders
from convsmith.data.sources.listing import Listing
from convsmith.data.sources.walk import Walk, entries

BACKGROUND = "BACKGROUND_Google"
CLUTTER = "clutter"
OF_101 = "101_ObjectCategories"
NUMBERED_CLASS = re.compile(r"(\d{3})\.(.+?)(-101)?")
"""A class of Caltech-256; "-101" marks those that Caltech-101 has too."""

IMAGE_101, IMAGE_256 = re.compile(r"image_\d{4}\.jpg"), re.compile(r"\d{3}_\d{4}\.jpg")
LOOKED_AT = 50
"""Files of a class folder that tell whose it is."""


def is_caltech(folder: Path, names: Collection[str]) -> bool:
    return _is_101(folder, names) or _is_256(folder, names)


def read_caltech(folder: Path) -> Listing:
    """Lists the images of each class, without splits. Raises DataError where a folder cannot be listed."""
    of_101 = _is_101(folder, entries(folder, folders=True))
    walk, members, names, notes = Walk(), [], {}, []
    for number, own in enumerate(subfolders(folder)):
        name = own if of_101 else _name_of_256(own)
        files = images_in(folder, own, walk)
        if own == BACKGROUND or name == CLUTTER:
            notes.append(Finding(str(folder / own), f"background, not a class: its {len(files):,} images are not used"))
            continue
        names[number] = name.replace("_", " ")
        members += [Member(file, number, "train") for file in files]
    told = read_as(folder, "Caltech-101" if of_101 else "Caltech-256", "it has no published splits")
    return listing_of(folder, members, names, walk.findings, (told, *notes, *walk.account(folder)))


def _is_101(folder: Path, names: Collection[str]) -> bool:
    if BACKGROUND not in names and folder.name != OF_101:
        return False
    return any(_has(folder / own, IMAGE_101) for own in subfolders(folder)[:2])


def _is_256(folder: Path, names: Collection[str]) -> bool:
    if not any(name.startswith("001.") for name in names):
        return False
    classes = subfolders(folder)
    return bool(classes) and all(map(NUMBERED_CLASS.fullmatch, classes)) and _has(folder / classes[0], IMAGE_256)


def _has(folder: Path, image: re.Pattern[str]) -> bool:
    return any(map(image.fullmatch, entries(folder, folders=False)[:LOOKED_AT]))


def _name_of_256(folder: str) -> str:
    found = NUMBERED_CLASS.fullmatch(folder)
    return found[2] if found else folder
