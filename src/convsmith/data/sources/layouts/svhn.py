"""Street View House Numbers (Netzer et al. 2011) as cropped digits: MAT-files of 32x32 pixels.

`train_32x32.mat`, `test_32x32.mat` and `extra_32x32.mat` have `X`, uint8 (32, 32, 3, N), and `y`, (N, 1): the digit,
with 10 for 0. The whole numbers with their boxes ("format 1") are a detection task.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import Finding
from convsmith.data.images import ArrayImages, numbered
from convsmith.data.sources.layouts.listed import read_as
from convsmith.data.sources.layouts.matlab import integers, read_mat
from convsmith.data.sources.listing import Listing, rows_by_split
from convsmith.errors import DataError

SIDE = 32
FILES = {"train_32x32.mat": "train", "extra_32x32.mat": "train", "test_32x32.mat": "test"}
EXTRA = "extra_32x32.mat"
BOXES = "digitStruct.mat"
ZERO = 10
"""What a 0 is labelled as."""


def is_svhn(folder: Path, names: Collection[str]) -> bool:
    whole = BOXES in names or any(name in names and (folder / name / BOXES).is_file() for name in ("train", "test"))
    return whole or bool(set(FILES) & set(names))


def read_svhn(folder: Path) -> Listing:
    """Reads the digits; the extra images, where they are there, are part of train, as published results have it.

    Raises DataError naming the file, and for the whole house numbers.
    """
    there = {name: split for name, split in FILES.items() if (folder / name).is_file()}
    if not there:
        raise DataError(
            f"{folder} holds SVHN's whole house numbers, with boxes; convsmith classifies: take train_32x32.mat and "
            "test_32x32.mat, the cropped digits"
        )
    parts = [(split, name, *_read(folder / name)) for name, split in there.items()]
    images = ArrayImages(
        np.concatenate([pixels for *_, pixels, _ in parts]),
        np.concatenate([numbered(name, len(digits)) for _, name, _, digits in parts]),
    )
    digits = np.concatenate([digits for *_, digits in parts])
    known, labels = np.unique(digits, return_inverse=True)
    notes = [read_as(folder, "SVHN, cropped digits", "train and test as published")]
    if EXTRA in there:
        extra = next(len(digits) for _, name, _, digits in parts if name == EXTRA)
        notes.append(
            Finding(str(folder / EXTRA), f"its {extra:,} images are part of train; move it away to leave them")
        )
    splits = [split for split, _, _, digits in parts for _ in range(len(digits))]
    return Listing(
        folder.resolve().name,
        tuple(map(str, known.tolist())),
        images,
        labels.astype(np.int64),
        rows_by_split(splits, str(folder)),
        folder,
        notes=tuple(notes),
    )


def _read(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The pixels (N, 32, 32, 3) and the digits (N,) of a file."""
    arrays = read_mat(path, "X", "y")
    pixels, labels = arrays["X"], integers(path, "y", arrays["y"])
    if pixels.ndim == 3:  # of a single image the last dimension is dropped
        pixels = pixels[..., None]
    if pixels.dtype != np.uint8 or pixels.shape[:3] != (SIDE, SIDE, 3):
        raise DataError(f"{path}: X is {pixels.dtype} {pixels.shape}; expected uint8 (32, 32, 3, N)")
    if pixels.shape[3] != len(labels):
        raise DataError(f"{path} has {pixels.shape[3]:,} images and {len(labels):,} labels")
    wrong = labels[(labels < 1) | (labels > ZERO)]
    if len(wrong):
        raise DataError(f"{path}: label {wrong[0]} is not from 1 to 10 (which is the digit 0)")
    return np.ascontiguousarray(pixels.transpose(3, 0, 1, 2)), labels % ZERO
