"""Oxford Flowers-102 (Nilsback and Zisserman 2008): `jpg/image_00001.jpg`, with `imagelabels.mat` and `setid.mat`.

`labels` has the class of each image in the order of their numbers, from 1; `trnid`, `valid` and `tstid` are the numbers
of the images in each split. The names of the classes are not in the files; `flowers102.txt` has them in order, as the
authors' page and TensorFlow Datasets do.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from importlib.resources import files
from pathlib import Path

from convsmith.data.sources.layouts.listed import Member, listing_of, read_as, unlisted
from convsmith.data.sources.layouts.matlab import integers, read_mat
from convsmith.data.sources.listing import Listing
from convsmith.errors import DataError

NAME = "Oxford Flowers-102"
IMAGES, LABELS, SPLITS = "jpg", "imagelabels.mat", "setid.mat"
IDS = {"train": "trnid", "val": "valid", "test": "tstid"}
NUMBERED = re.compile(r"image_\d{5}\.jpg")


def is_flowers(folder: Path, names: Collection[str]) -> bool:
    return LABELS in names and IMAGES in names


def read_flowers(folder: Path) -> Listing:
    """Lists the images by the published splits: 1,020 in train, as many in val, and 6,149 in test.

    Raises DataError naming the file, and for ids that no label is given for.
    """
    labels = integers(folder / LABELS, "labels", read_mat(folder / LABELS, "labels")["labels"])
    names = _names()
    outside = labels[(labels < 1) | (labels > len(names))]
    if len(outside):
        raise DataError(f"{folder / LABELS}: label {outside[0]} is not from 1 to {len(names)}")
    if not (folder / SPLITS).is_file():
        raise DataError(f"{folder}: {SPLITS} is missing, which has the published splits")
    arrays = read_mat(folder / SPLITS, *IDS.values())
    members = []
    for split, variable in IDS.items():
        for number in integers(folder / SPLITS, variable, arrays[variable]).tolist():
            if not 1 <= number <= len(labels):
                raise DataError(
                    f"{folder / SPLITS}: {variable} has the id {number}; {LABELS} has labels for 1 to {len(labels):,}"
                )
            members.append(Member(f"{IMAGES}/image_{number:05}.jpg", int(labels[number - 1]), split))
    notes = (
        read_as(folder, NAME, "train, val and test as published"),
        *unlisted(folder, IMAGES, [member.file for member in members]),
    )
    used = {int(label) for label in labels}
    return listing_of(folder, members, {number: names[number - 1] for number in used}, notes=notes)


def _names() -> list[str]:
    return (files(__package__) / "flowers102.txt").read_text(encoding="utf-8").splitlines()
