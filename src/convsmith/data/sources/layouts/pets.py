"""Oxford-IIIT Pets (Parkhi et al. 2012): `images/Abyssinian_100.jpg`, `annotations/trainval.txt` and `test.txt`.

A line is `Abyssinian_100 1 1 1`: the image, its class from 1 to 37, its species and its breed among these. Lines that
begin with # are comments.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from convsmith.data.sources.layouts.listed import Member, listing_of, number_of, read_as, rows_of, unlisted
from convsmith.data.sources.listing import Listing
from convsmith.errors import DataError

NAME = "Oxford-IIIT Pets"
IMAGES, ANNOTATIONS = "images", "annotations"
LISTS = {"train": "trainval.txt", "test": "test.txt"}
EXPECTED = "an image, its class, its species and its breed, such as Abyssinian_100 1 1 1"


def is_pets(folder: Path, names: Collection[str]) -> bool:
    lists = (*LISTS.values(), "list.txt")
    return IMAGES in names and any((folder / ANNOTATIONS / name).is_file() for name in lists)


def read_pets(folder: Path) -> Listing:
    """Lists the images by the published lists; `trainval` is train. Classes are called by the names of their images.

    Raises DataError naming the list and line.
    """
    names: dict[int, str] = {}
    members = []
    for split, name in LISTS.items():
        path = folder / ANNOTATIONS / name
        if not path.is_file():
            raise DataError(f"{path} is missing; unpack annotations.tar.gz again")
        for where, words in rows_of(path, 4, EXPECTED):
            if words[0].startswith("#"):
                continue
            label = number_of(where, words[1], "the class")
            breed = words[0].rpartition("_")[0].replace("_", " ")
            if not breed or names.setdefault(label, breed) != breed:
                told = f"class {label}, which is {names[label]} elsewhere" if breed else "no breed in its name"
                raise DataError(f"{where}: {words[0]} has {told}")
            members.append(Member(f"{IMAGES}/{words[0]}.jpg", label, split))
    notes = (
        read_as(folder, NAME, "train (trainval.txt) and test as published"),
        *unlisted(folder, IMAGES, [member.file for member in members]),
    )
    return listing_of(folder, members, names, notes=notes)
