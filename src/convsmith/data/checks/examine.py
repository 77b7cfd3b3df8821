"""Every image is checked before training starts: whether it can be read, its size, its colours, its content."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from convsmith.data.checks.cache import CheckCache, stamps
from convsmith.data.decode.check import (
    MANY_COLOURS,
    SHOWN_ON_ALL,
    ImageInfo,
    check_image,
    colour_of,
    hash_of,
    is_grey,
    shown_by,
)
from convsmith.data.decode.image import UnreadableError
from convsmith.data.images import AnyImages, ArrayImages, FileImages, packed

CHUNK_IMAGES = 64
THREADS = min(8, os.cpu_count() or 1)
"""Threads rather than processes: decoders release Python's lock, and a pool of processes would start slowly. No more
than 8, because each may hold an image of the largest size."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Examination:
    """What was found, by row: arrays (N,) of the fields of `ImageInfo`, `sizes` (N, 2) of height and width; the
    `reasons` why images cannot be used, and `notes` of flaws in those that can. A few bytes an image."""

    sizes: NDArray[np.int32]
    grey: NDArray[np.bool_]
    colour: NDArray[np.int32]
    shown: NDArray[np.uint8]
    peak: NDArray[np.int32]
    content: NDArray[np.int64]
    reasons: dict[int, str] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, count: int) -> Examination:
        """Room for `count` images."""
        return cls(
            sizes=np.zeros((count, 2), np.int32),
            grey=np.zeros(count, np.bool_),
            colour=np.zeros(count, np.int32),
            shown=np.zeros(count, np.uint8),
            peak=np.zeros(count, np.int32),
            content=np.zeros(count, np.int64),
        )

    def note(self, row: int, found: ImageInfo | str) -> None:
        """Enters what was found of an image, or why it cannot be used."""
        if isinstance(found, str):
            self.reasons[row] = found
            return
        self.sizes[row] = found.height, found.width
        self.grey[row], self.colour[row], self.shown[row] = found.grey, found.colour, found.shown
        self.peak[row], self.content[row] = found.peak, found.content
        if found.note:
            self.notes[row] = found.note


def examine(images: AnyImages, progress: Progress) -> Examination:
    """Looks at every image; files that have not changed since they were last found usable are not read again."""
    if isinstance(images, FileImages):
        return _examine_files(images, progress)
    return _examine_array(images.array) if isinstance(images, ArrayImages) else _examine_list(images.arrays)


def _examine_array(array: NDArray[np.uint8]) -> Examination:
    found = Examination.of(len(array))
    found.sizes[:] = array.shape[1:3]
    for start in range(0, len(array), CHUNK_IMAGES):
        part, here = array[start : start + CHUNK_IMAGES], slice(start, start + CHUNK_IMAGES)
        found.grey[here] = (part == part[..., :1]).all(axis=(1, 2, 3))
        empty = (part == part[:, :1, :1]).all(axis=(1, 2, 3))
        found.colour[here] = np.where(empty, [colour_of(pixels[:1, :1]) for pixels in part], MANY_COLOURS)
        found.shown[here] = np.where(empty, 0, SHOWN_ON_ALL)
        found.content[here] = [hash_of(np.ascontiguousarray(pixels).data) for pixels in part]
    return found


def _examine_list(arrays: Sequence[NDArray[np.uint8]]) -> Examination:
    found = Examination.of(len(arrays))
    for row, pixels in enumerate(arrays):
        colour = colour_of(pixels)
        content = hash_of(np.ascontiguousarray(pixels).data)
        found.note(
            row, ImageInfo(pixels.shape[0], pixels.shape[1], is_grey(pixels), colour, shown_by(colour), 0, content)
        )
    return found


def _examine_files(images: FileImages, progress: Progress) -> Examination:
    count = len(images)
    found = Examination.of(count)
    stamped = stamps(images)
    with CheckCache.open() as cache:
        known = cache.recall(images, stamped)
        for row, info in known.items():
            found.note(row, info)
        todo = np.array([row for row in range(count) if row not in known], np.int64)
        done = len(known)
        for checked in _checked(images, todo):
            for row, result in checked.items():
                found.note(row, result)
            cache.remember(images, stamped, {row: info for row, info in checked.items() if isinstance(info, ImageInfo)})
            done += len(checked)
            progress(done, count)
    return found


def _checked(images: FileImages, todo: NDArray[np.int64]) -> Iterator[dict[int, ImageInfo | str]]:
    """What was found by row, a chunk at a time."""
    chunks = [todo[start : start + CHUNK_IMAGES].tolist() for start in range(0, len(todo), CHUNK_IMAGES)]
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            yield from pool.map(lambda rows: {row: _check(images, row) for row in rows}, chunks)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _check(images: FileImages, row: int) -> ImageInfo | str:
    try:
        return check_image(images.source(row))
    except UnreadableError as error:
        return error.reason


def in_memory(images: FileImages, size: tuple[int, int], channels: int) -> ArrayImages:
    """Images of one `size` (height, width), decoded into one array (N, H, W, channels).

    Raises DataError if a file has become unreadable or has changed its size since it was examined.
    """
    array = np.empty((len(images), *size, channels), np.uint8)

    def fill(start: int) -> None:
        for row in range(start, min(start + CHUNK_IMAGES, len(images))):
            pixels = images[row]
            if pixels.shape[:2] != size:
                raise UnreadableError(images.name(row), "has changed since it was examined")
            array[row] = pixels[..., :channels]

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(fill, range(0, len(images), CHUNK_IMAGES)):
            pass
    return ArrayImages(array, packed(str(images.path(row)) for row in range(len(images))))
