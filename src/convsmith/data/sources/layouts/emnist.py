"""EMNIST (Cohen et al. 2017): IDX files like MNIST's, of six sets, whose images lie with rows and columns exchanged.

`emnist-balanced-train-images-idx3-ubyte`, `...-labels-idx1-ubyte` and `emnist-balanced-test-...`, gzipped or not; and
`emnist-balanced-mapping.txt`, which has a label and the code of its character on each line, or of both its capital and
its small letter.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from convsmith.data.images import ArrayImages
from convsmith.data.sources.idx import is_idx, read_idx
from convsmith.data.sources.layouts.listed import number_of, read_as, rows_of
from convsmith.data.sources.listing import Listing
from convsmith.data.sources.walk import entries
from convsmith.errors import DataError

FILE = re.compile(r"(emnist-\w+)-(?:train|test)-images[-.]idx3-ubyte(?:\.gz)?", re.IGNORECASE)
SET = re.compile(r"(emnist-\w+)-?", re.IGNORECASE)
MAX_CODE = 0x7F
"""The characters are ASCII."""


def is_emnist(path: Path) -> bool:
    """Whether a folder holds sets of EMNIST, or a path names one, as in DATA/emnist-balanced."""
    return bool(_sets(path))


def read_emnist(path: Path) -> Listing:
    """Reads one set, upright, with its classes called by their characters. Raises DataError naming the file, and where
    there are several sets."""
    sets = _sets(path)
    if len(sets) > 1:
        names = ", ".join(one.name for one in sets)
        raise DataError(f"{path} holds several sets: {names}; give one of them, such as {sets[0]}")
    prefix = sets[0]
    listing = read_idx(prefix.with_name(f"{prefix.name}-"), name=prefix.name)
    images = listing.images
    assert isinstance(images, ArrayImages)
    upright = replace(images, array=np.ascontiguousarray(images.array.transpose(0, 2, 1, 3)))
    note = read_as(prefix.parent, f"EMNIST ({prefix.name})", "train and test as published; its images turned upright")
    mapping = prefix.with_name(f"{prefix.name}-mapping.txt")
    classes = _characters(mapping, listing.classes) if mapping.is_file() else listing.classes
    return replace(listing, images=upright, classes=classes, notes=(*listing.notes, note))


def _sets(path: Path) -> list[Path]:
    """The sets of a folder, or the one that a path names, as paths without the endings of their files."""
    if path.is_dir():
        found = {match[1] for match in map(FILE.fullmatch, entries(path, folders=False)) if match}
        return [path / name for name in sorted(found) if is_idx(path / f"{name}-")]
    match = SET.fullmatch(path.name)
    return [path.with_name(match[1])] if match and is_idx(path.with_name(f"{match[1]}-")) else []


def _characters(path: Path, labels: tuple[str, ...]) -> tuple[str, ...]:
    known: dict[str, str] = {}
    for where, (label, codes) in rows_of(path, 2, "a label and the code of its character"):
        numbers = [number_of(where, code, "a character") for code in codes.split()]
        if max(numbers) > MAX_CODE or not all(chr(number).isprintable() for number in numbers):
            raise DataError(f"{where} has the codes {codes[:40]}, which are not characters")
        known[str(number_of(where, label, "the label"))] = "".join(map(chr, numbers))
    missing = next((label for label in labels if label not in known), None)
    if missing is not None:
        raise DataError(f"{path} has no line for the label {missing}")
    return tuple(known[label] for label in labels)
