"""The two ways to hold images: all of them as one array, or as files that are decoded when asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convsmith.data.decode.image import Box, UnreadableError, decode, decode_part

WHOLE = -1
"""The size, in `StoredImages`, of an image that is a file of its own."""


@dataclass(frozen=True, eq=False)
class ArrayImages:
    """Images in memory: `array` uint8 (N, H, W, C), C 1 (grey) or 3 (RGB); `names` as `packed` makes them."""

    array: NDArray[np.uint8]
    names: NDArray[np.bytes_]

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """(H, W, 3), a copy."""
        return np.array(np.broadcast_to(self.array[index], (*self.array.shape[1:3], 3)))

    def name(self, index: int) -> str:
        return printable(os.fsdecode(self.names[index]))

    def take(self, rows: NDArray[np.int64]) -> ArrayImages:
        """The images at `rows`, in that order, copied."""
        return ArrayImages(self.array[rows], self.names[rows])


@dataclass(frozen=True, eq=False)
class FileImages:
    """Images in files: `names` are paths relative to the folder `root`, as `packed` makes them.

    An array of bytes rather than a list of paths: 100,000 take 10 MB or less, and worker processes share them.
    """

    root: Path
    names: NDArray[np.bytes_]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """(H, W, 3). Raises DataError if the file is not, or no longer, an image."""
        return decode(self.source(index))

    def part(self, index: int, choose: Callable[[int, int], Box], size: tuple[int, int]) -> NDArray[np.uint8]:
        """The part (h, w, 3) that `choose` picks, perhaps reduced to what is still `size`; see `decode_part`."""
        return decode_part(self.source(index), choose, size)

    def source(self, index: int) -> Path | bytes:
        """What is decoded: a file, or the bytes of one."""
        return self.path(index)

    def stamp(self, index: int) -> tuple[int, int]:
        """Bytes, and time of last change (ns). Raises OSError."""
        status = self.path(index).stat()
        return status.st_size, status.st_mtime_ns

    def path(self, index: int) -> Path:
        return self.root / os.fsdecode(self.names[index])

    def name(self, index: int) -> str:
        return printable(str(self.path(index)))

    def take(self, rows: NDArray[np.int64]) -> FileImages:
        """The images at `rows`, in that order."""
        return FileImages(self.root, self.names[rows])


@dataclass(frozen=True, eq=False)
class StoredImages(FileImages):
    """Images whose bytes lie within larger files: `size` bytes from `offset` on, int64 (N,), in file `place`, int32
    (N,), of `containers`. They are named as if the containers were folders: `train-000.tar/000042.jpg`. A size of
    `WHOLE` stands for a plain file of that name, in no container."""

    containers: NDArray[np.bytes_]
    place: NDArray[np.int32]
    offset: NDArray[np.int64]
    size: NDArray[np.int64]

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """(H, W, 3). Raises DataError if there is no image."""
        with self._named(index):
            return decode(self.source(index))

    def part(self, index: int, choose: Callable[[int, int], Box], size: tuple[int, int]) -> NDArray[np.uint8]:
        """The part (h, w, 3) that `choose` picks, perhaps reduced to what is still `size`; see `decode_part`."""
        with self._named(index):
            return decode_part(self.source(index), choose, size)

    def source(self, index: int) -> Path | bytes:
        """A plain file, or the bytes of one. Raises UnreadableError if the container is shorter or cannot be read."""
        if self.size[index] == WHOLE:
            return self.path(index)
        try:
            with self._container(index).open("rb") as file:
                file.seek(int(self.offset[index]))
                content = file.read(int(self.size[index]))
        except OSError as error:
            raise UnreadableError(self.name(index), error.strerror or str(error)) from None
        if len(content) < self.size[index]:
            raise UnreadableError(self.name(index), "the file that it lies in ends before it")
        return content

    def stamp(self, index: int) -> tuple[int, int]:
        """Bytes, and the file's or its container's time of last change (ns). Raises OSError."""
        if self.size[index] == WHOLE:
            return super().stamp(index)
        return int(self.size[index]), self._container(index).stat().st_mtime_ns

    def take(self, rows: NDArray[np.int64]) -> StoredImages:
        """The images at `rows`, in that order."""
        chosen = (self.place[rows], self.offset[rows], self.size[rows])
        return StoredImages(self.root, self.names[rows], self.containers, *chosen)

    def _container(self, index: int) -> Path:
        return self.root / os.fsdecode(self.containers[self.place[index]])

    @contextmanager
    def _named(self, index: int) -> Iterator[None]:
        """What is wrong with bytes is said of the image that they are."""
        try:
            yield
        except UnreadableError as error:
            raise UnreadableError(self.name(index), error.reason) from None


def joined(parts: Sequence[FileImages]) -> FileImages:
    """The images of all parts, which have one root, in order; there is at least one part."""
    names = np.concatenate([part.names for part in parts])
    if not any(isinstance(part, StoredImages) for part in parts):
        return FileImages(parts[0].root, names)
    stored = [part if isinstance(part, StoredImages) else _plain(part) for part in parts]
    starts = np.cumsum([0, *(len(part.containers) for part in stored)])[:-1].tolist()
    return StoredImages(
        parts[0].root,
        names,
        np.concatenate([part.containers for part in stored]),
        np.concatenate([part.place + start for part, start in zip(stored, starts, strict=True)]).astype(np.int32),
        np.concatenate([part.offset for part in stored]),
        np.concatenate([part.size for part in stored]),
    )


def _plain(images: FileImages) -> StoredImages:
    count = len(images)
    nowhere = np.zeros(count, np.int64)
    return StoredImages(
        images.root, images.names, packed([]), nowhere.astype(np.int32), nowhere, np.full(count, WHOLE, np.int64)
    )


def packed(names: Iterable[str]) -> NDArray[np.bytes_]:
    """Names as one array of their bytes, for a million strings are a million objects."""
    return np.array([os.fsencode(name) for name in names], dtype=np.bytes_)


def numbered(origin: str, count: int) -> NDArray[np.bytes_]:
    """Names for the images of one file: `origin[0]`, `origin[1]`, ..."""
    return packed(f"{origin}[{index}]" for index in range(count))


def printable(text: str) -> str:
    """The text on one line: line breaks, control characters and undecodable bytes escaped."""
    return text if text.isprintable() else repr(text)[1:-1]
