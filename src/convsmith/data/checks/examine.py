"""Every image is checked before training starts: whether it can be read, how large it is, whether it has colour."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convsmith.data.checks.cache import Verdicts, stamps
from convsmith.data.decode.image import Look, UnreadableError, look
from convsmith.data.images import ArrayImages, FileImages, packed

CHUNK = 64
THREADS = min(8, os.cpu_count() or 1)
"""Threads rather than processes: decoders let go of Python's lock, and a pool of processes would start slowly. No more
than 8, for each may hold an image of the largest size."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Examination:
    """What was found, by row: `sizes` int32 (N, 2) of height and width, `grey` bool (N,), and for the images that
    cannot be used, the reason. A few bytes an image, however large the files."""

    sizes: NDArray[np.int32]
    grey: NDArray[np.bool_]
    reasons: dict[int, str]


def examine(images: ArrayImages | FileImages, progress: Progress) -> Examination:
    """Looks at every image; files that have not changed since they were last found sound are not read again."""
    if isinstance(images, ArrayImages):
        return _examine_array(images.array)
    return _examine_files(images, progress)


def _examine_array(array: NDArray[np.uint8]) -> Examination:
    count, height, width, channels = array.shape
    sizes = np.broadcast_to(np.array([height, width], np.int32), (count, 2))
    grey = np.full(count, channels == 1)
    if channels == 3:
        for start in range(0, count, CHUNK):
            part = array[start : start + CHUNK]
            grey[start : start + CHUNK] = (part == part[..., :1]).all(axis=(1, 2, 3))
    return Examination(sizes, grey, {})


def _examine_files(images: FileImages, progress: Progress) -> Examination:
    count = len(images)
    found = Examination(np.zeros((count, 2), np.int32), np.zeros(count, np.bool_), {})
    stamped = stamps(images)
    with Verdicts.open() as verdicts:
        known = verdicts.recall(images, stamped)
        for row, sound in known.items():
            _note(found, row, sound)
        todo = np.array([row for row in range(count) if row not in known], np.int64)
        done = len(known)
        for looked in _looks(images, todo):
            for row, verdict in looked.items():
                _note(found, row, verdict)
            verdicts.remember(images, stamped, {row: v for row, v in looked.items() if isinstance(v, Look)})
            done += len(looked)
            progress(done, count)
    return found


def _note(found: Examination, row: int, verdict: Look | str) -> None:
    if isinstance(verdict, str):
        found.reasons[row] = verdict
    else:
        found.sizes[row] = verdict.height, verdict.width
        found.grey[row] = verdict.grey


def _looks(images: FileImages, todo: NDArray[np.int64]) -> Iterator[dict[int, Look | str]]:
    """What was found by row, a chunk at a time."""
    chunks = [todo[start : start + CHUNK].tolist() for start in range(0, len(todo), CHUNK)]
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            yield from pool.map(lambda rows: {row: _look(images, row) for row in rows}, chunks)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _look(images: FileImages, row: int) -> Look | str:
    try:
        return look(images.source(row))
    except UnreadableError as error:
        return error.reason


def in_memory(images: ArrayImages | FileImages, size: tuple[int, int], channels: int) -> ArrayImages:
    """Images of one `size` (height, width), decoded into one array (N, H, W, channels).

    Raises DataError if a file has become unreadable or has changed its size since it was examined.
    """
    if isinstance(images, ArrayImages):
        return images
    array = np.empty((len(images), *size, channels), np.uint8)

    def fill(start: int) -> None:
        for row in range(start, min(start + CHUNK, len(images))):
            pixels = images[row]
            if pixels.shape[:2] != size:
                raise UnreadableError(images.name(row), "has changed since it was examined")
            array[row] = pixels[..., :channels]

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(fill, range(0, len(images), CHUNK)):
            pass
    return ArrayImages(array, packed(str(images.path(row)) for row in range(len(images))))
