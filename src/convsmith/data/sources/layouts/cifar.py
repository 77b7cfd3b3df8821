"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in their binary version: records of a label and 32x32 pixels.

CIFAR-10 has `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`: a byte for the class, then 1024 bytes each
of red, green and blue. CIFAR-100 has `train.bin` and `test.bin`, with a byte for the superclass before that of the
class. The Python version is pickled, and no pickle is ever loaded.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convsmith.data.images import ArrayImages, numbered
from convsmith.data.sources.layouts.listed import lines_of, read_as
from convsmith.data.sources.listing import Listing, rows_by_split
from convsmith.errors import DataError

SIDE = 32
PIXELS = 3 * SIDE * SIDE
TRAIN_BATCH = re.compile(r"data_batch_\d+\.bin")
NAMES_10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
META_10, META_100 = "batches.meta.txt", "fine_label_names.txt"
PICKLE = b"\x80"
"""The first byte of a pickle of protocol 2 or higher."""


class _Version(NamedTuple):
    """Which files are of which split, how many label bytes a record begins with, and the classes' names."""

    name: str
    files: dict[str, list[str]]
    label_bytes: int
    classes: tuple[str, ...]


def is_cifar(folder: Path, names: Collection[str]) -> bool:
    """Whether there are binary files of CIFAR, or pickled ones, which `read_cifar` refuses."""
    batches = "test_batch.bin" in names or any(map(TRAIN_BATCH.fullmatch, names))
    return batches or (META_100 in names and bool({"train.bin", "test.bin"} & set(names))) or _pickled(folder, names)


def read_cifar(folder: Path) -> Listing:
    """Reads the images of train and test, as published.

    Raises DataError naming a file that is no whole number of records or has a label outside the classes, and for the
    pickled version.
    """
    names = sorted(path.name for path in folder.iterdir())
    if _pickled(folder, names) and not any(name.endswith(".bin") for name in names):
        raise DataError(
            f"{folder} is CIFAR's Python version, which is pickled, and no pickle is loaded; take the binary version"
        )
    version = _version(folder, names)
    parts = [
        (split, name, *_records(folder / name, version)) for split, files in version.files.items() for name in files
    ]
    images = ArrayImages(
        np.concatenate([pixels for *_, pixels, _ in parts]),
        np.concatenate([numbered(name, len(labels)) for _, name, _, labels in parts]),
    )
    splits = [split for split, _, _, labels in parts for _ in range(len(labels))]
    return Listing(
        folder.resolve().name,
        version.classes,
        images,
        np.concatenate([labels for *_, labels in parts]),
        rows_by_split(splits, str(folder)),
        folder,
        notes=(read_as(folder, version.name, f"{' and '.join(version.files)} as published"),),
    )


def _pickled(folder: Path, names: Collection[str]) -> bool:
    name = next((name for name in ("data_batch_1", "test_batch") if name in names), None)
    if name is None and {"train", "test", "meta"} <= set(names):
        name = "train"
    if name is None or not (folder / name).is_file():
        return False
    try:
        with (folder / name).open("rb") as file:
            return file.read(1) == PICKLE
    except OSError:
        return False


def _version(folder: Path, names: Collection[str]) -> _Version:
    train = [name for name in names if TRAIN_BATCH.fullmatch(name)]
    if train or "test_batch.bin" in names:
        files = {"train": train, "test": [name for name in names if name == "test_batch.bin"]}
        classes = _classes(folder / META_10) if META_10 in names else NAMES_10
        return _Version("CIFAR-10", {split: own for split, own in files.items() if own}, 1, classes)
    files = {split: [f"{split}.bin"] for split in ("train", "test") if f"{split}.bin" in names}
    return _Version("CIFAR-100, fine classes", files, 2, _classes(folder / META_100))


def _classes(path: Path) -> tuple[str, ...]:
    names = tuple(line.replace("_", " ") for line in lines_of(path) if line)
    if len(set(names)) < max(2, len(names)):
        raise DataError(f"{path} does not name each class once")
    return names


def _records(path: Path, version: _Version) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The pixels (N, 32, 32, 3) and the labels (N,) of a file."""
    size = version.label_bytes + PIXELS
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    if not len(content) or len(content) % size:
        raise DataError(f"{path} holds {len(content):,} bytes, not a multiple of {size:,}; it is cut short or no CIFAR")
    records = content.reshape(-1, size)
    labels = records[:, version.label_bytes - 1].astype(np.int64)
    if labels.max() >= len(version.classes):
        row = int(np.argmax(labels >= len(version.classes)))
        raise DataError(f"{path}: image {row} has the label {labels[row]}; there are {len(version.classes)} classes")
    planes = records[:, version.label_bytes :].reshape(-1, 3, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels
