"""Tiny ImageNet (Stanford's CS231n, 2015): 200 of ImageNet's classes at 64x64.

`wnids.txt` lists their WordNet ids, `words.txt` the names of all synsets; images are `train/n01443537/images/*.JPEG`
and `val/images/*.JPEG`, whose classes stand in `val/val_annotations.txt`: the file, the id and a box on each line. The
labels of `test/images` were not published.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from convsmith.data.dataset import Finding
from convsmith.data.sources.imagenet.devkit import WORDNET_ID
from convsmith.data.sources.layouts.listed import (
    Member,
    below,
    images_in,
    lines_of,
    listing_of,
    read_as,
    rows_of,
    subfolders,
    unlisted,
    wordnet_names,
)
from convsmith.data.sources.listing import Listing
from convsmith.data.sources.walk import Walk
from convsmith.errors import DataError

NAME = "Tiny ImageNet"
IDS, WORDS = "wnids.txt", "words.txt"
TRAIN, VAL, TEST = "train", "val", "test"
VAL_IMAGES, VAL_LABELS = "val/images", "val/val_annotations.txt"


def is_tiny_imagenet(folder: Path, names: Collection[str]) -> bool:
    return IDS in names and (TRAIN in names or VAL in names)


def read_tiny_imagenet(folder: Path) -> Listing:
    """Lists train and val, which is labelled; test is not. Classes are in the order of their WordNet ids and called as
    ImageNet's are. Raises DataError naming the list and line."""
    ids = sorted({line for line in lines_of(folder / IDS) if line})
    wrong = next((name for name in ids if not WORDNET_ID.fullmatch(name)), None)
    if wrong is not None:
        raise DataError(f"{folder / IDS} has {wrong[:40]!r}; expected WordNet ids, such as n01443537")
    numbers = {wordnet_id: number for number, wordnet_id in enumerate(ids)}
    findings = [
        Finding(str(folder / TRAIN / name), f"its class is not in {IDS}; not used")
        for name in subfolders(folder / TRAIN)
        if name not in numbers
    ]
    walk = Walk()
    members = _by_folder(folder, TRAIN, numbers, walk)
    notes = [read_as(folder, NAME, "train and val as published")]
    if (folder / VAL_LABELS).is_file():
        val = _val(folder, numbers)
        members += val
        notes += unlisted(folder, VAL_IMAGES, [member.file for member in val])
    elif (folder / VAL).is_dir():
        by_folder = _by_folder(folder, VAL, numbers, walk)
        if not by_folder:
            raise DataError(f"{folder / VAL_LABELS} is missing; the images of val have no labels without it")
        members += by_folder
    if (folder / TEST).is_dir():
        findings.append(Finding(str(folder / TEST), "the test images' labels are not published; not used"))
    named = wordnet_names(ids, _words(folder, ids))
    names = {numbers[wordnet_id]: name for wordnet_id, name in named.items()}
    return listing_of(folder, members, names, (*findings, *walk.findings), notes)


def _by_folder(folder: Path, split: str, numbers: dict[str, int], walk: Walk) -> list[Member]:
    """The images in a split's folders of classes; many people sort those of val into such ones."""
    return [
        Member(file, numbers[name], split)
        for name in subfolders(folder / split)
        if name in numbers
        for file in images_in(folder, f"{split}/{name}", walk)
    ]


def _val(folder: Path, numbers: dict[str, int]) -> list[Member]:
    members = []
    for where, words in rows_of(folder / VAL_LABELS, 2, "an image, its WordNet id and its box"):
        wordnet_id = words[1].split()[0]
        if wordnet_id not in numbers:
            raise DataError(f"{where} has the class {wordnet_id[:40]}, which {IDS} does not have")
        members.append(Member(below(VAL_IMAGES, words[0]), numbers[wordnet_id], "val"))
    return members


def _words(folder: Path, ids: list[str]) -> dict[str, str]:
    """The first name of each synset, where `words.txt` is there."""
    if not (folder / WORDS).is_file():
        return {}
    wanted = set(ids)
    lines = (line.partition("\t") for line in lines_of(folder / WORDS))
    return {wordnet_id: words.split(",")[0].strip() for wordnet_id, _, words in lines if wordnet_id in wanted and words}
