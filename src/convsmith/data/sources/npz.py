"""NumPy archives: arrays as Keras' data sets have them, or plain `images` and `labels`."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.data.images import ArrayImages, numbered
from convsmith.data.sources.listing import Listing, rows_by_split
from convsmith.data.sources.naming.class_names import name_classes
from convsmith.data.sources.naming.split_names import SPLITS
from convsmith.errors import DataError

MAX_BYTES = 4 << 30

Arrays = Mapping[str, NDArray[Any]]


def read_npz(path: Path) -> Listing:
    """Reads `x_train`, `y_train`, `x_test`, `y_test` (and `x_val`, `y_val`), or `images`, `labels` and, if there, a
    `split` of each image; and `classes`, the names that integer labels stand for.

    Images are uint8 (N, H, W) or (N, H, W, 1 or 3), labels integers or names, (N,) or (N, 1). Objects (pickles) are
    not read. Raises DataError naming the array.
    """
    arrays = _load(path)
    parts = {split: (f"x_{split}", f"y_{split}") for split in SPLITS if f"x_{split}" in arrays}
    if not parts and "images" in arrays:
        parts = {"train": ("images", "labels")}
    if not parts:
        found = ", ".join(arrays) or "nothing"
        raise DataError(f"{path} holds {found}; expected x_train and y_train, or images and labels")
    pairs = {split: _pair(path, arrays, *names) for split, names in parts.items()}
    splits = [split for split, (images, _) in pairs.items() for _ in range(len(images))]
    if "images" in arrays and "split" in arrays:
        splits = _strings(path, "split", arrays["split"], len(splits))
    if len({images.shape[1:] for images, _ in pairs.values()}) > 1:
        raise DataError(f"{path}: the images of its splits differ in size or channels")
    classes, labels = _classes(path, arrays, [labels for _, labels in pairs.values()])
    images = np.concatenate([images for images, _ in pairs.values()])
    names = np.concatenate([numbered(f"{path.name}:{parts[split][0]}", len(pairs[split][0])) for split in pairs])
    return Listing(path.stem, classes, ArrayImages(images, names), labels, rows_by_split(splits, str(path)), path)


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


def _pair(path: Path, arrays: Arrays, x: str, y: str) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    if y not in arrays:
        raise DataError(f"{path} has {x} but no {y}")
    images, labels = arrays[x], arrays[y]
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise DataError(
            f"{path}: {x} is {images.dtype} {arrays[x].shape}; expected uint8 (N, H, W) or (N, H, W, 1 or 3)"
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iuU":
        raise DataError(f"{path}: {y} is {labels.dtype} {labels.shape}; expected {len(images)} integers or names")
    return images, labels


def _classes(path: Path, arrays: Arrays, labels: list[NDArray[Any]]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    if len({array.dtype.kind == "U" for array in labels}) > 1:
        raise DataError(f"{path} has names as labels in one split and integers in another")
    values = np.concatenate(labels)
    if "classes" not in arrays or values.dtype.kind == "U":
        return name_classes([str(value) for value in values.tolist()], str(path))[:2]
    names = _strings(path, "classes", arrays["classes"], len(arrays["classes"]))
    if len(set(names)) < len(names):
        raise DataError(f"{path}: classes names a class twice")
    if len(values) and not 0 <= values.min() <= values.max() < len(names):
        outside = values.min() if values.min() < 0 else values.max()
        raise DataError(f"{path}: label {outside} is outside its {len(names)} classes")
    return tuple(names), values.astype(np.int64)


def _strings(path: Path, name: str, array: NDArray[Any], count: int) -> list[str]:
    if array.shape != (count,) or array.dtype.kind != "U":
        raise DataError(f"{path}: {name} is {array.dtype} {array.shape}; expected {count} strings")
    return [str(value) for value in array.tolist()]
