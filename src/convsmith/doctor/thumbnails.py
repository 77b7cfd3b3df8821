"""Every image once, small: what embeddings, hashes and statistics of a whole data set are computed from."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convsmith.data.dataset import Images
from convsmith.data.decode.image import decode
from convsmith.data.images import FileImages
from convsmith.data.unlabelled import GatheredImages

SIDE = 32
"""Pixels. Enough to tell whether two pictures are one, and for features of what is on them."""

CHUNK_IMAGES = 64
THREADS = min(8, os.cpu_count() or 1)
MEMORY_BYTES = 256 << 20
"""Thumbnails beyond which they lie in a temporary file, so that memory stays bounded."""

Progress = Callable[[int, int], None]
Result = TypeVar("Result")


def thumbnails(
    images: Images, rows: Sequence[int] | None = None, *, progress: Progress = lambda done, total: None
) -> NDArray[np.uint8]:
    """uint8 (N, SIDE, SIDE, C) of the images at `rows`, by default of all; C is 1 if every one is grey, else 3.

    Each is resized, antialiased and without regard to its proportions. `progress` is told (images done, images in all).
    Raises DataError naming an image that cannot be read.
    """
    wanted = range(len(images)) if rows is None else rows
    made = room((len(wanted), SIDE, SIDE, 3))
    grey = True
    for done, small in enumerate(in_threads(lambda row: thumbnail(pixels_of(images, row, (SIDE, SIDE))), wanted)):
        made[done] = small
        grey = grey and bool((small == small[..., :1]).all())
        if (done + 1) % CHUNK_IMAGES == 0 or done + 1 == len(wanted):
            progress(done + 1, len(wanted))
    return np.ascontiguousarray(made[..., :1]) if grey else made


def thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 (SIDE, SIDE, 3) of an image (H, W, 3)."""
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def pixels_of(images: Images, row: int, at_least: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """uint8 RGB (H, W, 3) of an image; of a JPEG perhaps reduced, to no less than `at_least` (height, width).

    Raises DataError if it cannot be read.
    """
    if isinstance(images, GatheredImages):
        images, row = images.place(row)
    if isinstance(images, FileImages):
        return decode(images.source(row), at_least, images.decoding)
    return images[row]


def room(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """An array for values of all images: in memory, or if it is large in a temporary file that nobody else sees."""
    if np.prod(shape, dtype=np.int64) <= MEMORY_BYTES:
        return np.empty(shape, np.uint8)
    with tempfile.TemporaryFile() as file:  # the mapping keeps it
        return np.memmap(file, np.uint8, "w+", shape=shape)


def in_threads(work: Callable[[int], Result], rows: Sequence[int]) -> Iterator[Result]:
    """What `work` makes of each row, in order. Threads, because decoders release Python's lock."""
    chunks = [rows[start : start + CHUNK_IMAGES] for start in range(0, len(rows), CHUNK_IMAGES)]
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for part in pool.map(lambda chunk: [work(int(row)) for row in chunk], chunks):
                yield from part
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
