"""CUB-200-2011 (Wah et al. 2011), and NABirds, which has the same files: lists of ids.

`images.txt` has an id and a path below `images/` on each line, `image_class_labels.txt` an image's id and its class,
`classes.txt` a class and its name, `train_test_split.txt` an image's id and 1 if it is in train.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from convsmith.data.sources.layouts.listed import Member, below, listing_of, read_as, rows_of, unlisted
from convsmith.data.sources.listing import Listing
from convsmith.errors import DataError

NAME = "CUB-200-2011"
IMAGES, PATHS, LABELS, CLASSES, SPLIT = (
    "images",
    "images.txt",
    "image_class_labels.txt",
    "classes.txt",
    "train_test_split.txt",
)
NUMBER = re.compile(r"\d+\.")
"""Before the name of a class."""


def is_cub(folder: Path, names: Collection[str]) -> bool:
    return {PATHS, LABELS, IMAGES} <= set(names)


def read_cub(folder: Path) -> Listing:
    """Lists the images by the published split. Raises DataError naming the list and the id that it lacks."""
    missing = next((name for name in (CLASSES, SPLIT) if not (folder / name).is_file()), None)
    if missing is not None:
        raise DataError(f"{folder}: {missing} is missing; unpack the archive again")
    paths = paths_by_id(folder)
    labels = _by_id(folder / LABELS, "an image's id and its class")
    splits = _by_id(folder / SPLIT, "an image's id and 1 or 0")
    classes = _by_id(folder / CLASSES, "a class and its name")
    numbers = {name: number for number, name in enumerate(classes)}
    members = []
    for image, file in paths.items():
        label, split = labels.get(image), splits.get(image)
        if label is None or split is None:
            raise DataError(f"{folder / (LABELS if label is None else SPLIT)} has no line for image {image} ({file})")
        if label not in numbers:
            raise DataError(f"{folder / LABELS}: image {image} has the class {label}, which {CLASSES} does not have")
        if split not in ("0", "1"):
            raise DataError(f"{folder / SPLIT}: image {image} has {split!r}; expected 1 (train) or 0 (test)")
        members.append(Member(file, numbers[label], "train" if split == "1" else "test"))
    others = next((image for image in labels if image not in paths), None)
    if others is not None:
        raise DataError(f"{folder / LABELS}: image {others} is not in {PATHS}")
    used = {member.label for member in members}
    # NABirds lists the groups above its classes too; these have no images of their own.
    names = {number: NUMBER.sub("", name).replace("_", " ") for number, name in enumerate(classes.values())}
    notes = (
        read_as(folder, NAME, "train and test as published"),
        *unlisted(folder, IMAGES, paths.values()),
    )
    return listing_of(folder, members, {number: names[number] for number in used}, notes=notes)


def paths_by_id(folder: Path) -> dict[str, str]:
    """The path from the folder of each image by its id."""
    return {image: below(IMAGES, file) for image, file in _by_id(folder / PATHS, "an image's id and its path").items()}


def _by_id(path: Path, expected: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for where, (key, value) in rows_of(path, 2, expected):
        if found.setdefault(key, value) != value:
            raise DataError(f"{where} contradicts an earlier line for {key}")
    return found
