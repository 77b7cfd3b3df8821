"""What a check of an image file finds: whether all of it decodes, and what its pixels are like."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convsmith.data.decode.decoding import GROUNDS, Decoding
from convsmith.data.decode.image import (
    MAX_PIXELS,
    decode,
    displayed_size,
    opened,
    read_or_repair,
    reduce,
    rgb_of,
    stream_of,
)
from convsmith.data.decode.jpeg import MAX_FILE_BYTES, plain_jpeg

HASH_BYTES = 8
MANY_COLOURS = -1
"""The `colour` of an image whose pixels differ."""

SHOWN_ON_ALL = (1 << len(GROUNDS)) - 1
NO_END_MARK = "used, although its end marker is missing: all pixels are there"
TEXTS_IGNORED = "used without its text or colour profile, which is damaged or too long"


class ImageInfo(NamedTuple):
    """An image that can be used.

    `height` and `width` in pixels, its EXIF orientation applied; `grey`, whether R = G = B everywhere; `colour`, the
    one that all pixels have, as 0xRRGGBB, or MANY_COLOURS; `shown`, a bit for each of `GROUNDS`: whether anything is
    to be seen on it; `peak`, the highest value of 16-bit grey, else 0; `content`, 63 bits of the BLAKE2 hash of the
    file; `note`, a flaw that did not keep it from being used.
    """

    height: int
    width: int
    grey: bool
    colour: int = MANY_COLOURS
    shown: int = SHOWN_ON_ALL
    peak: int = 0
    content: int = 0
    note: str = ""


def check_image(source: Path | bytes) -> ImageInfo:
    """Checks that a whole file decodes. Raises UnreadableError if not.

    A JPEG is read to its end but computed at 1/8 of its size, in a fraction of the time. Any colour shows there; only
    an image that looks grey or empty is decoded again in full, to be sure.
    """
    content, data = _hashed(source)
    plain = plain_jpeg(data, MAX_PIXELS)
    if plain is not None and (pixels := plain.pixels((1, 1))) is not None:
        grey, colour = plain.grey or is_grey(pixels), colour_of(pixels)
        if (grey and not plain.grey) or colour != MANY_COLOURS:
            pixels = decode(data)
            grey, colour = is_grey(pixels), colour_of(pixels)
        note = NO_END_MARK if plain.lacks_end_mark else ""
        return ImageInfo(plain.height, plain.width, grey, colour, shown_by(colour), 0, content, note)
    info, repaired = read_or_repair(data, _look_at)
    return info._replace(content=content, note=TEXTS_IGNORED if repaired else "")


def hash_of(content: bytes | memoryview) -> int:
    """63 bits of the BLAKE2 hash."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=HASH_BYTES).digest()) >> 1


def is_grey(rgb: NDArray[np.uint8]) -> bool:
    """Whether R = G = B everywhere in (H, W, 1 or 3)."""
    if rgb.shape[-1] == 1:
        return True
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    return bool((red == green).all() and (green == blue).all())


def colour_of(pixels: NDArray[np.uint8]) -> int:
    """The colour that all pixels of (H, W, 1 or 3) have, as 0xRRGGBB; MANY_COLOURS if they differ."""
    first = pixels[0, 0]
    if not (pixels[0] == first).all() or not (pixels == first).all():
        return MANY_COLOURS
    red, green, blue = (int(value) for value in np.broadcast_to(first, 3))
    return (red << 16) | (green << 8) | blue


def shown_by(colour: int) -> int:
    """`ImageInfo.shown` of an opaque image."""
    return SHOWN_ON_ALL if colour == MANY_COLOURS else 0


def _hashed(source: Path | bytes) -> tuple[int, Path | bytes]:
    """The hash of a file, and its bytes unless it is very large. Of what cannot be read, decoding will say why."""
    if isinstance(source, bytes):
        return hash_of(source), source
    with stream_of(source) as stream:
        content = stream.read(MAX_FILE_BYTES + 1)
        if len(content) <= MAX_FILE_BYTES:
            return hash_of(content), content
        digest = hashlib.blake2b(content, digest_size=HASH_BYTES)
        while content := stream.read(MAX_FILE_BYTES):
            digest.update(content)
    return int.from_bytes(digest.digest()) >> 1, source


def _look_at(source: Path | bytes) -> ImageInfo:
    with opened(source) as image:
        full = image.size
        width, height = displayed_size(image)
        one_channel = image.mode == "L"
        reduce(image, (1, 1))
        reduced = image.size != full
        pixels = rgb_of(image)
        grey, colour = is_grey(pixels), colour_of(pixels)
        shown = _shown(image) if image.has_transparency_data else shown_by(colour)
        peak = int(np.asarray(image).max()) if image.mode.startswith("I") else 0
    if reduced and ((grey and not one_channel) or colour != MANY_COLOURS):
        pixels = decode(source)
        grey, colour = is_grey(pixels), colour_of(pixels)
        shown = shown_by(colour)
    return ImageInfo(height, width, grey, colour, shown, peak)


def _shown(image: Image.Image) -> int:
    on = [colour_of(rgb_of(image, Decoding(ground))) == MANY_COLOURS for ground in GROUNDS]
    return sum(1 << place for place, seen in enumerate(on) if seen)
