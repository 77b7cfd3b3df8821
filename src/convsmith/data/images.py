"""The ways to hold images: as one array, as arrays of different sizes, or as files that are decoded when asked for."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import Images
from convsmith.data.decode.decoding import USUAL, Decoding
from convsmith.data.decode.image import Box, UnreadableError, cut, decode, decode_crop

WHOLE = -1
"""The size, in `StoredImages`, of an image that is a file of its own."""


@runtime_checkable
class Croppable(Protocol):
    """Images of which a box can be read, reduced if it is still at least `size` (height, width); see `decode_crop`."""

    def crop(self, index: int, choose: Callable[[int, int], Box], size: tuple[int, int]) -> NDArray[np.uint8]: ...


def read_box(images: Images, index: int, choose: Callable[[int, int], Box], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The box of an image that `choose` picks, given its height and width: uint8 RGB (h, w, 3), perhaps reduced."""
    if isinstance(images, Croppable):
        return images.crop(index, choose, size)
    image = images[index]
    return cut(image, choose(image.shape[0], image.shape[1]))


def read_reduced(images: Images, index: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A whole image, uint8 RGB (h, w, 3), perhaps reduced to no less than `size`: a JPEG then costs little."""
    return read_box(images, index, lambda height, width: Box(0, 0, height, width), size)


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

    def crop(self, index: int, choose: Callable[[int, int], Box], size: tuple[int, int]) -> NDArray[np.uint8]:
        """The box (h, w, 3) that `choose` picks, a view, at full resolution."""
        height, width = self.array.shape[1:3]
        box = cut(self.array[index], choose(height, width))
        return np.broadcast_to(box, (*box.shape[:2], 3))

    def name(self, index: int) -> str:
        return printable(os.fsdecode(self.names[index]))

    def take(self, rows: NDArray[np.int64]) -> ArrayImages:
        """The images at `rows`, in that order, copied."""
        return ArrayImages(self.array[rows], self.names[rows])


@dataclass(frozen=True, eq=False)
class ListImages:
    """Images of different sizes in memory: `arrays` of uint8 (H, W, C), C 1 (grey) or 3 (RGB); `names` as above."""

    arrays: tuple[NDArray[np.uint8], ...]
    names: NDArray[np.bytes_]

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """(H, W, 3), a copy."""
        array = self.arrays[index]
        return np.array(np.broadcast_to(array, (*array.shape[:2], 3)))

    def crop(self, index: int, choose: Callable[[int, int], Box], size: tuple[int, int]) -> NDArray[np.uint8]:
        """The box (h, w, 3) that `choose` picks, a view, at full resolution."""
        array = self.arrays[index]
        box = cut(array, choose(array.shape[0], array.shape[1]))
        return np.broadcast_to(box, (*box.shape[:2], 3))

    def name(self, index: int) -> str:
        return printable(os.fsdecode(self.names[index]))

    def take(self, rows: NDArray[np.int64]) -> ListImages:
        """The images at `rows`, in that order; pixels are shared."""
        return ListImages(tuple(self.arrays[row] for row in rows.tolist()), self.names[rows])


@dataclass(frozen=True, eq=False)
class FileImages:
    """Images in files: `names` are paths relative to the folder `root`, as `packed` makes them; `decoding` is how they
    become pixels.

    An array of bytes rather than a list of paths: 100,000 take 10 MB or less, and worker processes share them.
    """

    root: Path
    names: NDArray[np.bytes_]
    decoding: Decoding = field(default=USUAL, kw_only=True)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """(H, W, 3). Raises DataError if the file is not, or no longer, an image."""
        return decode(self.source(index), decoding=self.decoding)

    def crop(self, index: int, choose: Callable[[int, int], Box], size: tuple[int, int]) -> NDArray[np.uint8]:
        """The box (h, w, 3) that `choose` picks, perhaps reduced to no less than `size`; see `decode_crop`."""
        return decode_crop(self.source(index), choose, size, self.decoding)

    def source(self, index: int) -> Path | bytes:
        """What is decoded: a file, or the bytes of one."""
        return self.path(index)

    def stamp(self, index: int) -> tuple[int, int, int]:
        """Bytes, time of last change and time of last change of the entry (both in ns). Raises OSError."""
        status = self.path(index).stat()
        return status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def path(self, index: int) -> Path:
        return self.root / os.fsdecode(self.names[index])

    def name(self, index: int) -> str:
        return printable(str(self.path(index)))

    def take(self, rows: NDArray[np.int64]) -> FileImages:
        """The images at `rows`, in that order."""
        return replace(self, names=self.names[rows])


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
            return decode(self.source(index), decoding=self.decoding)

    def crop(self, index: int, choose: Callable[[int, int], Box], size: tuple[int, int]) -> NDArray[np.uint8]:
        """The box (h, w, 3) that `choose` picks, perhaps reduced to no less than `size`; see `decode_crop`."""
        with self._named(index):
            return decode_crop(self.source(index), choose, size, self.decoding)

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

    def stamp(self, index: int) -> tuple[int, int, int]:
        """Bytes, and the times of the file or of its container, as `FileImages` has them. Raises OSError."""
        if self.size[index] == WHOLE:
            return super().stamp(index)
        status = self._container(index).stat()
        return int(self.size[index]), status.st_mtime_ns, status.st_ctime_ns

    def take(self, rows: NDArray[np.int64]) -> StoredImages:
        """The images at `rows`, in that order."""
        return replace(
            self, names=self.names[rows], place=self.place[rows], offset=self.offset[rows], size=self.size[rows]
        )

    def _container(self, index: int) -> Path:
        return self.root / os.fsdecode(self.containers[self.place[index]])

    @contextmanager
    def _named(self, index: int) -> Iterator[None]:
        """What is wrong with bytes is said of the image that they are."""
        try:
            yield
        except UnreadableError as error:
            raise UnreadableError(self.name(index), error.reason) from None


AnyImages = ArrayImages | ListImages | FileImages
"""What sources list."""


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
    """Names as one array of bytes: a million strings would be a million objects."""
    return np.array([os.fsencode(name) for name in names], dtype=np.bytes_)


def numbered(origin: str, count: int) -> NDArray[np.bytes_]:
    """Names for the images of one file: `origin[0]`, `origin[1]`, ..."""
    return packed(f"{origin}[{index}]" for index in range(count))


def printable(text: str) -> str:
    """The text on one line: line breaks, control characters and undecodable bytes escaped."""
    if text.isprintable():
        return text
    return "".join(repr(letter)[1:-1] if is_control(letter) else letter for letter in text)


def is_control(letter: str) -> bool:
    """Whether a character would disturb a line of text: a control, a line separator, or a byte of no character."""
    return unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")
