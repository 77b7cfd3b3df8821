"""NumPy archives of images and labels, under any of their usual names."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.data.arrays import Arrays, list_parts
from convsmith.data.sources.listing import Listing, rows_by_split
from convsmith.data.sources.naming.split_names import SPLITS, WORD, WORDS
from convsmith.errors import DataError, UsageError

MAX_BYTES = 4 << 30

IMAGES = ("x", "images", "image", "imgs", "img", "data")
LABELS = ("y", "labels", "label", "targets", "target")
"""Words in the names of arrays, the usual ones first; beside them there may be a split: `x_train`, `test_images`."""

UNNAMED = ("arr_0", "arr_1")
"""What `np.savez(file, images, labels)` calls them."""

ArrayByName = Mapping[str, NDArray[Any]]


def read_npz(path: Path) -> Listing:
    """Reads images and labels, by split or not: `x_train`, `y_train`, `x_test`, `y_test` as Keras has them,
    `train_images`, `train_labels` as MedMNIST, or `images`, `labels` and, if there, a `split` of each image; and
    `classes`, the names that integer labels stand for.

    The arrays may be whatever `Dataset.from_arrays` takes. Objects (pickles) are not read. Raises DataError naming the
    array.
    """
    arrays = _load(path)
    pairs = _pairs(path, arrays)
    parts = {split: Arrays(arrays[x], arrays[y], x, y) for split, (x, y) in pairs.items()}
    classes = arrays.get("classes")
    try:
        known = None if classes is None else _strings(path, "classes", classes, len(classes))
        listing = list_parts(parts, known, path.stem, [f"{path.name}:{x}" for x, _ in pairs.values()])
    except UsageError as error:
        raise DataError(f"{path}: {error}") from None
    if list(pairs) == ["train"] and "split" in arrays:
        splits = _strings(path, "split", arrays["split"], len(listing.labels))
        listing = replace(listing, rows=rows_by_split(splits, str(path)))
    return replace(listing, root=path)


def _pairs(path: Path, arrays: ArrayByName) -> dict[str, tuple[str, str]]:
    """The names of images and labels, by split. Raises DataError where one has no labels, or there is none."""
    found: dict[str, dict[str | None, str]] = {"images": {}, "labels": {}}
    for what, words in (("images", IMAGES), ("labels", LABELS)):
        for word, name in product(words, arrays):
            told = [part.lower() for part in WORD.findall(name)]
            splits = [WORDS[part] for part in told if part in WORDS]
            if [part for part in told if part not in WORDS] == [word] and len(splits) < 2:
                found[what].setdefault(splits[0] if splits else None, name)
    images, labels = found["images"], found["labels"]
    named: list[str | None] = [split for split in dict.fromkeys(SPLITS.values()) if split in images]
    if not images and set(arrays) == set(UNNAMED):
        return {"train": UNNAMED}
    if not images:
        here = ", ".join(arrays) or "nothing"
        raise DataError(f"{path} holds {here}; expected x_train and y_train, or images and labels")
    pairs = {}
    for split in named or [None]:
        if split not in labels:
            raise DataError(f"{path} has {images[split]} but no {'labels' if split is None else f'y_{split}'}")
        pairs[split or "train"] = images[split], labels[split]
    return pairs


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_BYTES:
            raise DataError(f"{path} unpacks to {size:,} bytes; at most {MAX_BYTES:,} are read into memory")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (
        OSError,
        ValueError,
        EOFError,
        KeyError,
        AttributeError,
        MemoryError,
        NotImplementedError,
        SyntaxError,
        RecursionError,
        RuntimeError,
        OverflowError,
        TypeError,
        struct.error,
        tokenize.TokenError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise DataError(f"{path} cannot be read as npz: {' '.join(str(error).split())}") from None


def _strings(path: Path, name: str, array: NDArray[Any], count: int) -> list[str]:
    if array.shape != (count,) or array.dtype.kind != "U":
        raise DataError(f"{path}: {name} is {array.dtype} {array.shape}; expected {count} strings")
    return [str(value) for value in array.tolist()]
