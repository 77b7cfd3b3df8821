"""Stanford Dogs (Khosla et al. 2011): `Images/n02085620-Chihuahua/n02085620_7.jpg`, and lists of train and test.

The lists are MAT-files, in the folder itself or in `lists/`: `file_list` is a cell array of paths, `labels` their
classes from 1 to 120. The images are ImageNet's, and so are the classes.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from convsmith.data.dataset import Finding
from convsmith.data.sources.layouts.listed import (
    Member,
    below,
    images_in,
    listing_of,
    read_as,
    subfolders,
    unlisted,
    wordnet_names,
)
from convsmith.data.sources.layouts.matlab import integers, read_mat, strings
from convsmith.data.sources.listing import Listing
from convsmith.data.sources.walk import Walk
from convsmith.errors import DataError

NAME = "Stanford Dogs"
IMAGES = "Images"
LISTS = {"train": "train_list.mat", "test": "test_list.mat"}
BREED = re.compile(r"(n\d{8})-(.+)")


def is_dogs(folder: Path, names: Collection[str]) -> bool:
    """Whether there are images in folders like n02085620-Chihuahua, or a list beside them."""
    if IMAGES not in names:
        return False
    if any(path.is_file() for path in _places(folder)):
        return True
    breeds = subfolders(folder / IMAGES)
    return bool(breeds) and all(BREED.fullmatch(breed) for breed in breeds)


def read_dogs(folder: Path) -> Listing:
    """Lists the images by the published lists; where these are missing, all of them, without splits.

    Classes are in the order of their WordNet ids and called as ImageNet's are. Raises DataError naming the list.
    """
    lists = {split: _list_of(folder, name) for split, name in LISTS.items()}
    there = {split: path for split, path in lists.items() if path is not None}
    notes: tuple[Finding, ...]
    if not there:
        members = [(file, "train") for breed in subfolders(folder / IMAGES) for file in _images(folder, breed)]
        notes = (read_as(folder, NAME, "its lists (lists.tar) are not here, so it has no splits"),)
    elif len(there) < len(LISTS):
        missing = next(name for split, name in LISTS.items() if split not in there)
        raise DataError(f"{folder}: {missing} is missing; unpack lists.tar again")
    else:
        members = [(file, split) for split, path in there.items() for file in _listed(path)]
        notes = (read_as(folder, NAME, "train and test as published"), *unlisted(folder, IMAGES, dict(members)))
    ids = {file: _wordnet_id(folder, file) for file, _ in members}
    breeds = {wordnet_id: name.replace("_", " ") for wordnet_id, name in ids.values()}
    named = wordnet_names(breeds, breeds)
    numbers = {wordnet_id: number for number, wordnet_id in enumerate(named)}
    listed = [Member(file, numbers[ids[file][0]], split) for file, split in members]
    return listing_of(folder, listed, dict(enumerate(named.values())), notes=notes)


def _places(folder: Path) -> list[Path]:
    return [place / name for name in LISTS.values() for place in (folder, folder / "lists")]


def _list_of(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / "lists" / name) if path.is_file()), None)


def _images(folder: Path, breed: str) -> list[str]:
    return images_in(folder, f"{IMAGES}/{breed}", Walk())


def _listed(path: Path) -> list[str]:
    """The paths of a list, which must say the class of each as its folder does: one number for one folder."""
    arrays = read_mat(path, "file_list", "labels")
    files, labels = strings(path, "file_list", arrays["file_list"]), integers(path, "labels", arrays["labels"])
    if len(files) != len(labels):
        raise DataError(f"{path} has {len(files):,} files and {len(labels):,} labels")
    folder_of: dict[int, str] = {}
    for file, label in zip(files, labels.tolist(), strict=True):
        breed = file.partition("/")[0]
        if folder_of.setdefault(label, breed) != breed:
            raise DataError(f"{path}: label {label} is both {folder_of[label]} and {breed}")
    return [below(IMAGES, file) for file in files]


def _wordnet_id(folder: Path, file: str) -> tuple[str, str]:
    found = BREED.fullmatch(file.split("/")[1]) if file.count("/") else None
    if found is None:
        raise DataError(f"{folder / file} is not in a folder like n02085620-Chihuahua")
    return found[1], found[2]
