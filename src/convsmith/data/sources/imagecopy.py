"""A copy of images that a source cannot hand over one by one: their bytes one after another in one file, and an index.

It lies in the user's cache, is known by the names, sizes and times of change of what was copied, and appears there only
when it is whole. It may be deleted at any time, and is then made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convsmith.data.checks.examine import Progress
from convsmith.download import cache
from convsmith.errors import DataError

FORMAT = 1
"""The number changes with what is written, which makes old copies void."""

IMAGES = "images"
INDEX = "index.npz"
PROGRESS_ROWS = 1000
"""Rows after which progress is reported."""

NO_LABEL = -1
"""The label of a row without one."""


class Row(NamedTuple):
    """An image file's bytes and its label, as text; None where the source has none."""

    image: bytes | None
    label: str | None


@dataclass(frozen=True, eq=False)
class Copy:
    """Rows in the order in which they were copied, N of them: `source` int32 (N,), which of the files each is of;
    `label` int32 (N,), indices into `labels`, or NO_LABEL; `size` bytes from `offset` on, int64 (N,), in the file
    `path`. The size is 0 where there is no image."""

    path: Path
    source: NDArray[np.int32]
    label: NDArray[np.int32]
    labels: tuple[str, ...]
    offset: NDArray[np.int64]
    size: NDArray[np.int64]


def copy_images(
    root: Path, files: Sequence[Path], rows_of: Callable[[Path], Iterable[Row]], total: int, progress: Progress
) -> Copy:
    """Copies the rows of all files of the data set `root`, or takes the copy that is there.

    A process waits for another that copies the same. `progress` gets the rows copied so far and `total`.
    Raises DataError if the cache cannot be written or has no room; what was written is then deleted.
    """
    from filelock import FileLock

    folder = cache("images") / _key(root, files)
    copy = _read(folder)
    if copy is not None:
        return copy
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            copy = _read(folder)
            if copy is None:
                _check_room(folder.parent, files)
                _write(folder, files, rows_of, total, progress)
                copy = _read(folder)
    except OSError as error:
        raise DataError(
            f"{folder.parent} cannot be written: {error.strerror}; the images of {root} have to be copied there once"
        ) from None
    if copy is None:
        raise DataError(f"{folder} changed while it was written")
    return copy


def _key(root: Path, files: Sequence[Path]) -> str:
    described: list[object] = [FORMAT]
    for file in files:
        try:
            status = file.stat()
        except OSError as error:
            raise DataError(f"{file} cannot be read: {error.strerror}") from None
        described.append((file.name, os.path.relpath(file, root), status.st_size, status.st_mtime_ns))
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:32]


def _check_room(folder: Path, files: Sequence[Path]) -> None:
    needed, free = sum(file.stat().st_size for file in files), shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(f"{folder} has {free:,} bytes free; a copy of the images takes about {needed:,}")


def _write(
    folder: Path, files: Sequence[Path], rows_of: Callable[[Path], Iterable[Row]], total: int, progress: Progress
) -> None:
    """The lock is held, so that what lies under the temporary name is of a process that was stopped."""
    temporary = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        _fill(temporary, files, rows_of, total, progress)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fill(
    folder: Path, files: Sequence[Path], rows_of: Callable[[Path], Iterable[Row]], total: int, progress: Progress
) -> None:
    source, label, size = array("i"), array("i"), array("q")
    labels: dict[str, int] = {}
    with (folder / IMAGES).open("wb") as stream:
        for number, file in enumerate(files):
            for row in rows_of(file):
                source.append(number)
                label.append(NO_LABEL if row.label is None else labels.setdefault(row.label, len(labels)))
                size.append(stream.write(row.image or b""))
                if len(size) % PROGRESS_ROWS == 0 or len(size) == total:
                    progress(len(size), total)
    np.savez(
        folder / INDEX,
        allow_pickle=False,
        source=np.array(source, np.int32),
        label=np.array(label, np.int32),
        labels=np.array([name.encode() for name in labels], np.bytes_),
        size=np.array(size, np.int64),
    )


def _read(folder: Path) -> Copy | None:
    """The copy in a folder; None where there is none, or none that is whole."""
    try:
        with np.load(folder / INDEX, allow_pickle=False) as index:
            source, label, size = index["source"], index["label"], index["size"]
            labels = tuple(name.decode() for name in index["labels"].tolist())
        if (folder / IMAGES).stat().st_size != size.sum():
            return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return Copy(folder / IMAGES, source, label, labels, np.cumsum(size) - size, size)
