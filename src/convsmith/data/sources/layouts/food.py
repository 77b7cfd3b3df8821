"""Food-101 (Bossard et al. 2014): `images/apple_pie/1005649.jpg`, `meta/train.txt` and `meta/test.txt`.

A line of these is `apple_pie/1005649`, without the ending. `classes.txt` has the folders' names in order, `labels.txt`
their names as text.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from convsmith.data.sources.layouts.listed import Member, below, lines_of, listing_of, read_as, unlisted
from convsmith.data.sources.listing import Listing
from convsmith.errors import DataError

NAME = "Food-101"
IMAGES, META = "images", "meta"
LISTS = {"train": "train.txt", "test": "test.txt"}
CLASSES, LABELS = "classes.txt", "labels.txt"


def is_food(folder: Path, names: Collection[str]) -> bool:
    return IMAGES in names and META in names and any((folder / META / name).is_file() for name in LISTS.values())


def read_food(folder: Path) -> Listing:
    """Lists the images by the published lists. Raises DataError naming the list and line."""
    members: list[tuple[str, str, str]] = []
    for split, name in LISTS.items():
        path = folder / META / name
        if not path.is_file():
            raise DataError(f"{path} is missing; unpack the archive again")
        for number, line in enumerate(lines_of(path), 1):
            label, slash, image = line.partition("/")
            if line and not (slash and image):
                raise DataError(f"{path}: line {number} is {line[:60]!r}; expected a class and an image, as in pho/123")
            if line:
                members.append((below(IMAGES, line if line.endswith(".jpg") else f"{line}.jpg"), label, split))
    order, names = _classes(folder, sorted({label for _, label, _ in members}))
    unknown = next((label for _, label, _ in members if label not in order), None)
    if unknown is not None:
        raise DataError(f"{folder / META}: the lists have the class {unknown}, which {CLASSES} does not have")
    notes = (
        read_as(folder, NAME, "train and test as published"),
        *unlisted(folder, IMAGES, [file for file, _, _ in members]),
    )
    listed = [Member(file, order[label], split) for file, label, split in members]
    return listing_of(folder, listed, dict(enumerate(names)), notes=notes)


def _classes(folder: Path, listed: list[str]) -> tuple[dict[str, int], list[str]]:
    """The place of each class, and their names in order."""
    folders = listed
    if (folder / META / CLASSES).is_file():
        folders = [line for line in lines_of(folder / META / CLASSES) if line]
    names = [name.replace("_", " ") for name in folders]
    if (folder / META / LABELS).is_file():
        names = [line for line in lines_of(folder / META / LABELS) if line]
    if len(names) != len(folders):
        raise DataError(f"{folder / META}: {LABELS} has {len(names):,} names for {len(folders):,} classes")
    return {name: place for place, name in enumerate(folders)}, names
