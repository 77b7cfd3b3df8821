"""From an image file of any kind to uint8 RGB. Files are untrusted: whatever is wrong with one is a DataError.

The rules, for every format:
- EXIF orientation is applied. Of an animation the first frame counts.
- Grey becomes three equal channels; a palette, its colours. Transparency is composited on white.
- 16-bit grey is scaled by 1/257 and rounded, so that 65535 becomes 255; "32-bit" integers must lie in 0..65535 and are
  treated alike; floats must lie in 0..1. Of 16-bit colour, Pillow keeps the high bytes.
- CMYK becomes RGB by the plain formula, R = (1 - C)(1 - K); colour profiles are not applied.
- An image of more than `MAX_PIXELS` is refused by its header, before any of it is decoded.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Importing a reader registers it with Pillow; `preinit` below does so for the other formats.
from PIL import AvifImagePlugin, Image, TiffImagePlugin, WebPImagePlugin  # noqa: F401

from convsmith.data.decode.exif import DAMAGE, TRANSPOSE, TURNED, orientation_of
from convsmith.data.decode.jpeg import plain_jpeg
from convsmith.errors import DataError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF")
"""The formats that are read. Pillow knows forty more, which nobody photographs in and whose readers see little use."""

MAX_PIXELS = 64_000_000
"""192 MB decoded, so a few at a time fit beside a training run; a file of a few kB can claim a thousand times that."""

Image.preinit()

SUFFIXES = frozenset(suffix for suffix, name in Image.EXTENSION.items() if name in FORMATS)
"""What the names of such files end in, in lower case: ".jpg", ".jpeg", ".png" and so on."""


class UnreadableError(DataError):
    """A file that is not a usable image: `subject` names it, `reason` says why."""

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(f"{subject}: {reason}")
        self.subject = subject
        self.reason = reason


class Box(NamedTuple):
    """A part of an image, in pixels of its upright self."""

    top: int
    left: int
    height: int
    width: int


class Look(NamedTuple):
    """What a check of a file finds: its size in pixels, upright, and whether it is grey (R = G = B everywhere)."""

    height: int
    width: int
    grey: bool


def decode(source: Path | bytes, at_least: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Decodes a file, or the bytes of one, to uint8 RGB (H, W, 3), upright.

    With `at_least` (height, width), a JPEG may come at 1/2, 1/4 or 1/8 of its size, if that is at least as large:
    the decoder then skips most of its work. Raises DataError naming the file and what is wrong with it.
    """
    plain = plain_jpeg(source, MAX_PIXELS)
    if plain is not None and (pixels := plain.pixels(at_least)) is not None:
        return pixels
    with _opened(source) as image:
        if at_least is not None:
            _reduce(image, at_least)
        return _rgb(image)


def decode_part(source: Path | bytes, choose: Callable[[int, int], Box], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The part of an image that `choose` picks, given its height and width: uint8 RGB (h, w, 3), upright.

    A JPEG may come reduced, as `decode` does it, to a scale at which the part is still at least `size` (height, width),
    if it is in full. Raises DataError as `decode` does.
    """
    plain = plain_jpeg(source, MAX_PIXELS)
    height, width = _upright_size(source) if plain is None else (plain.height, plain.width)
    box = choose(height, width)
    at_least = (-(-height * size[0] // box.height), -(-width * size[1] // box.width))
    pixels = None if plain is None else plain.pixels(at_least)
    if pixels is None:
        pixels = decode(source, at_least)
    down, across = pixels.shape[0] / height, pixels.shape[1] / width
    reduced = Box(int(box.top * down), int(box.left * across), int(box.height * down), int(box.width * across))
    return cut(pixels, reduced)


def cut(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """The box of an image (H, W, 3), a view, of one pixel at least."""
    return pixels[box.top : box.top + max(1, box.height), box.left : box.left + max(1, box.width)]


def look(source: Path | bytes) -> Look:
    """Checks that a whole file decodes. Raises UnreadableError if not.

    A JPEG is read to its end but computed at 1/8 of its size, in a fraction of the time. Any colour shows there; only
    an image that looks grey is decoded again in full, to be sure.
    """
    plain = plain_jpeg(source, MAX_PIXELS)
    if plain is not None and (pixels := plain.pixels((1, 1))) is not None:
        return Look(plain.height, plain.width, plain.grey or (_is_grey(pixels) and _is_grey(decode(source))))
    with _opened(source) as image:
        full = image.size
        width, height = _upright(image)
        one_channel = image.mode == "L"
        _reduce(image, (1, 1))
        reduced = image.size != full
        grey = _is_grey(_rgb(image))
    if grey and reduced and not one_channel:
        grey = _is_grey(decode(source))
    return Look(height, width, grey)


@contextmanager
def _opened(source: Path | bytes) -> Iterator[Image.Image]:
    """The image with its header read and found acceptable; every failure, here or in the body, as UnreadableError."""
    subject = str(source) if isinstance(source, Path) else "image"
    try:
        with _stream(source) as stream, _identified(stream) as image:
            if not 0 < image.width * image.height <= MAX_PIXELS:
                raise _RefusedError(f"{image.width}x{image.height} pixels; at most {MAX_PIXELS:,} are read")
            yield image
    except _RefusedError as refusal:
        raise UnreadableError(subject, str(refusal)) from None
    except DAMAGE as error:
        raise UnreadableError(subject, _reason(error)) from None


class _RefusedError(Exception):
    """Why a file is not read, before its name is put to it."""


def _stream(source: Path | bytes) -> IO[bytes]:
    if isinstance(source, bytes):
        return BytesIO(source)
    mode = source.stat().st_mode
    if stat.S_ISDIR(mode):
        raise _RefusedError("a folder, not an image")
    if not stat.S_ISREG(mode):
        # To open a pipe would wait for its writer.
        raise _RefusedError("not a regular file")
    return source.open("rb", buffering=1 << 17)  # most files in one read: decoders ask for a few bytes at a time


def _identified(stream: IO[bytes]) -> Image.Image:
    """As `Image.open`, which would warn of large images, and only refuse those of 179 million pixels."""
    prefix = stream.read(16)
    if not prefix:
        raise _RefusedError("empty file")
    for name in FORMATS:
        read, accepts = Image.OPEN[name]
        if accepts is None or accepts(prefix) is True:
            stream.seek(0)
            return read(stream, "")
    raise _RefusedError(f"not an image of a known format ({', '.join(FORMATS)})")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    words = " ".join(str(error).split())
    return f"damaged image ({words or type(error).__name__})"


def _upright_size(source: Path | bytes) -> tuple[int, int]:
    """(height, width), from the header."""
    with _opened(source) as image:
        return _upright(image)[::-1]


def _upright(image: Image.Image) -> tuple[int, int]:
    """(width, height)."""
    return image.size if orientation_of(image) < TURNED else image.size[::-1]


def _reduce(image: Image.Image, at_least: tuple[int, int]) -> None:
    height, width = at_least if orientation_of(image) < TURNED else at_least[::-1]
    image.draft(None, (max(1, width), max(1, height)))


def _rgb(image: Image.Image) -> NDArray[np.uint8]:
    upright = TRANSPOSE.get(orientation_of(image))
    image.load()
    colours = _eight_bit(image)
    return np.array(colours if upright is None else colours.transpose(upright))


def _eight_bit(image: Image.Image) -> Image.Image:
    """RGB of the same size, by the rules at the top."""
    if image.mode == "F":
        return _scaled(np.asarray(image), 1, 255)
    if image.mode.startswith("I"):
        return _scaled(np.asarray(image), 65535, 1 / 257)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _scaled(grey: NDArray[Any], highest: int, factor: float) -> Image.Image:
    if not ((grey >= 0) & (grey <= highest)).all():
        raise _RefusedError(f"grey values beyond 0 to {highest}; save it with 8 or 16 bits")
    return Image.fromarray((grey * factor).round().astype(np.uint8)).convert("RGB")


def _is_grey(rgb: NDArray[np.uint8]) -> bool:
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    return bool((red == green).all() and (green == blue).all())
