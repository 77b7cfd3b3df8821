"""One pass over every image: its thumbnail, a hash of its pixels, and how its file holds them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageStat

from convsmith.data.decode.check import hash_of
from convsmith.data.decode.decoding import Decoding
from convsmith.data.decode.exif import orientation_of
from convsmith.data.decode.image import MAX_PIXELS, opened, read_or_repair, reduce, rgb_of
from convsmith.data.decode.jpeg import plain_jpeg
from convsmith.data.images import FileImages
from convsmith.data.unlabelled import GatheredImages
from convsmith.doctor.thumbnails import CHUNK_IMAGES, SIDE, Progress, in_threads, room, thumbnail
from convsmith.errors import DataError

AT_LEAST = (2 * SIDE, 2 * SIDE)
"""The size to which a JPEG may be reduced while it is decoded: twice a thumbnail's, so that those stay sharp."""

EDGES_SIDE = 64

UPRIGHT = 1
"""EXIF's orientation of a picture that is stored as it is shown."""

ARRAY_MODES = {1: "L", 3: "RGB"}


@dataclass(frozen=True, eq=False)
class Scan:
    """Of each of N images: `thumbnails` uint8 (N, SIDE, SIDE, C), C 1 if all are grey; `pixels` int64 (N,), a hash of
    the size and of the decoded pixels, a JPEG's perhaps reduced; `modes` (N,), Pillow's words for how a file holds
    colours ("RGB", "L", "CMYK"); `orientation` uint8 (N,), EXIF's; `edges` float32 (N,), the variance of edges at
    EDGES_SIDE pixels at most, and `levels` float32 (N,), the standard deviation of the histogram of grey levels, as
    cleanvision measures blur. `gone` are rows that could not be read this time."""

    thumbnails: NDArray[np.uint8]
    pixels: NDArray[np.int64]
    modes: NDArray[np.str_]
    orientation: NDArray[np.uint8]
    edges: NDArray[np.float32]
    levels: NDArray[np.float32]
    gone: dict[int, str]


class _Seen(NamedTuple):
    small: NDArray[np.uint8]
    grey: bool
    pixels: int
    mode: str
    orientation: int
    edges: float
    levels: float


def scan(images: GatheredImages, progress: Progress = lambda done, total: None) -> Scan:
    """Looks at every image once. Memory is bounded, see `room`; `progress` is told (images done, images in all)."""
    count = len(images)
    small, grey = room((count, SIDE, SIDE, 3)), True
    pixels, orientation = np.zeros(count, np.int64), np.full(count, UPRIGHT, np.uint8)
    edges, levels = np.zeros(count, np.float32), np.zeros(count, np.float32)
    modes, gone = np.full(count, "RGB", "<U8"), {}
    for row, seen in enumerate(in_threads(lambda row: _looked(images, row), range(count))):
        if isinstance(seen, str):
            small[row], gone[row] = 0, seen
        else:
            small[row], pixels[row] = seen.small, seen.pixels
            modes[row], orientation[row] = seen.mode, seen.orientation
            edges[row], levels[row] = seen.edges, seen.levels
            grey = grey and seen.grey
        if (row + 1) % CHUNK_IMAGES == 0 or row + 1 == count:
            progress(row + 1, count)
    small = np.ascontiguousarray(small[..., :1]) if grey else small
    return Scan(small, pixels, modes, orientation, edges, levels, gone)


def _looked(images: GatheredImages, row: int) -> _Seen | str:
    part, place = images.place(row)
    try:
        if isinstance(part, FileImages):
            pixels, mode, orientation = _of_file(part.source(place), part.decoding)
        else:
            pixels = part[place]
            array = part.arrays[place] if hasattr(part, "arrays") else part.array[place]
            mode, orientation = ARRAY_MODES[array.shape[-1]], UPRIGHT
    except (DataError, OSError) as error:
        return str(error)
    small = thumbnail(pixels)
    digest = hash_of(b"%d %d " % pixels.shape[:2] + pixels.tobytes())
    return _Seen(small, bool((small == small[..., :1]).all()), digest, mode, orientation, *_edges(pixels))


def _edges(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    """See `Scan`: of a sharp image, many edges are strong."""
    grey = Image.fromarray(pixels).convert("L")
    grey.thumbnail((EDGES_SIDE, EDGES_SIDE))
    return ImageStat.Stat(grey.filter(ImageFilter.FIND_EDGES)).var[0], float(np.std(grey.histogram()))


def _of_file(source: Path | bytes, decoding: Decoding) -> tuple[NDArray[np.uint8], str, int]:
    plain = plain_jpeg(source, MAX_PIXELS)
    if plain is not None and (pixels := plain.pixels(AT_LEAST)) is not None:
        return pixels, "L" if plain.grey else "RGB", plain.orientation

    def read(source: Path | bytes) -> tuple[NDArray[np.uint8], str, int]:
        with opened(source) as image:
            mode, orientation = image.mode, orientation_of(image)
            reduce(image, AT_LEAST)
            return rgb_of(image, decoding), mode, orientation

    return read_or_repair(source, read)[0]
