"""IDX files, the format of MNIST: a big-endian header (two zeros, type, dimensions, sizes), then the bytes."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convsmith.data.images import ArrayImages, numbered
from convsmith.data.sources.listing import Listing
from convsmith.data.sources.naming.class_names import name_classes
from convsmith.errors import DataError

PARTS = {"train": "train", "val": "val", "test": "test", "t10k": "test"}
"""What the files of a split begin with, and the split."""

UNSIGNED_BYTE = 8
MAX_BYTES = 4 << 30


def is_idx(path: Path) -> bool:
    """Whether a folder, or a prefix of file names, leads to IDX files of training images."""
    return _find(path, "train", "images", 3) is not None


def read_idx(path: Path, classes: tuple[str, ...] | None = None, name: str | None = None) -> Listing:
    """Reads `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and `t10k-...` (gzipped or not) of a folder, or
    with a path before it as in `data/fashion-train-...`: then `path` is `data/fashion-`.

    Classes are called by `classes`, or else by their labels. Raises DataError naming the file.
    """
    splits = {split: _read_part(path, part) for part, split in PARTS.items() if _find(path, part, "images", 3)}
    parts = list(splits.values())
    if len({part.images.shape[1:] for part in parts}) > 1:
        sizes = ", ".join("x".join(map(str, part.images.shape[1:])) for part in parts)
        raise DataError(f"{path}: the images of its splits differ in size: {sizes}")
    known, labels = _classes(np.concatenate([part.labels for part in parts]), classes, path)
    ends = np.cumsum([len(part.labels) for part in parts]).tolist()
    rows = {
        split: np.arange(end - len(part.labels), end) for (split, part), end in zip(splits.items(), ends, strict=True)
    }
    images = ArrayImages(
        np.concatenate([part.images for part in parts])[..., None], np.concatenate([part.names for part in parts])
    )
    return Listing(name or path.name, known, images, labels, rows, path)


def read_array(path: Path) -> NDArray[np.uint8]:
    """The array of one IDX file of unsigned bytes. Raises DataError if the file is not one, or is cut short."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            zeros, kind, dimensions = np.frombuffer(stream.read(4), [("z", ">u2"), ("k", "u1"), ("d", "u1")])[0]
            if zeros or kind != UNSIGNED_BYTE:
                raise DataError(f"{path} is not an IDX file of unsigned bytes")
            shape = tuple(np.frombuffer(stream.read(4 * int(dimensions)), ">u4").tolist())
            size = math.prod(shape)
            if size > MAX_BYTES:
                raise DataError(f"{path} claims {size:,} bytes; at most {MAX_BYTES:,} are read into memory")
            data = stream.read(size + 1)
    except (OSError, EOFError, IndexError, ValueError, zlib.error) as error:
        raise DataError(f"{path} cannot be read as IDX: {error}") from None
    if len(data) != size or len(shape) != dimensions:
        raise DataError(f"{path} holds {len(data):,} bytes of data where its header says {size:,}")
    return np.frombuffer(data, np.uint8).reshape(shape)


def write_array(path: Path, array: NDArray[np.uint8]) -> None:
    """Writes one gzipped IDX file; the same array gives the same bytes."""
    header = struct.pack(f">HBB{array.ndim}I", 0, UNSIGNED_BYTE, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), mtime=0))


def _find(path: Path, part: str, what: str, dimensions: int) -> Path | None:
    """The file of a part. Both `-idx3-` and `.idx3-` are in use."""
    prefix = str(path / part) if path.is_dir() else f"{path}{part}"
    names = (f"{prefix}-{what}{dot}idx{dimensions}-ubyte{end}" for dot in "-." for end in ("", ".gz"))
    return next((Path(name) for name in names if Path(name).is_file()), None)


class _Part(NamedTuple):
    """The images (N, H, W), labels (N,) and names of one split."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    names: NDArray[np.bytes_]


def _read_part(path: Path, part: str) -> _Part:
    images, labels = _find(path, part, "images", 3), _find(path, part, "labels", 1)
    if images is None or labels is None:
        raise DataError(f"{path}: {part} has images but no labels; expected {part}-labels-idx1-ubyte beside them")
    pixels, marks = read_array(images), read_array(labels)
    if pixels.ndim != 3 or marks.ndim != 1:
        raise DataError(f"{images}: expected images (N, H, W) and labels (N,), got {pixels.shape} and {marks.shape}")
    if len(pixels) != len(marks):
        raise DataError(f"{images} holds {len(pixels):,} images, {labels.name} {len(marks):,} labels")
    return _Part(pixels, marks, numbered(images.name, len(marks)))


def _classes(
    values: NDArray[np.uint8], classes: tuple[str, ...] | None, path: Path
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    if classes is None:
        return name_classes([str(value) for value in values.tolist()], str(path))[:2]
    if len(values) and values.max() >= len(classes):
        raise DataError(f"{path}: label {values.max()} is outside its {len(classes)} classes")
    return classes, values.astype(np.int64)
