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
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Importing a reader registers it with Pillow; `preinit` below does so for the other formats.
from PIL import AvifImagePlugin, Image, TiffImagePlugin, WebPImagePlugin  # noqa: F401

from convsmith.errors import DataError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF")
"""The formats that are read. Pillow knows forty more, which nobody photographs in and whose readers see little use."""

MAX_PIXELS = 64_000_000
"""192 MB decoded, so a few at a time fit beside a training run; a file of a few kB can claim a thousand times that."""

ORIENTATION = 0x0112
TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation; from 5 on, width and height change places."""

DAMAGE = (
    *(OSError, SyntaxError, ValueError, IndexError, TypeError, KeyError, EOFError, OverflowError, MemoryError),
    *(struct.error, zlib.error, RuntimeError, Image.DecompressionBombError),
)
"""What Pillow's readers and decoders raise on damaged files; RuntimeError comes from its AVIF decoder, and GIF and WebP
check the size of their frames against Pillow's own limit."""

Image.preinit()

SUFFIXES = frozenset(suffix for suffix, name in Image.EXTENSION.items() if name in FORMATS)
"""What the names of such files end in, in lower case: ".jpg", ".jpeg", ".png" and so on."""


class UnreadableError(DataError):
    """A file that is not a usable image: `subject` names it, `reason` says why."""

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(f"{subject}: {reason}")
        self.subject = subject
        self.reason = reason


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
    with _opened(source) as image:
        if at_least is not None:
            _reduce(image, at_least)
        return _rgb(image)


def look(source: Path | bytes) -> Look:
    """Checks that a whole file decodes. Raises UnreadableError if not.

    A JPEG is read to its end but computed at 1/8 of its size, in a fraction of the time. Any colour shows there; only
    an image that looks grey is decoded again in full, to be sure.
    """
    with _opened(source) as image:
        full = image.size
        width, height = full if _orientation(image) < 5 else full[::-1]
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


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except DAMAGE:
        # Pixels may be sound where the camera's notes are not.
        return 1
    return value if value in TRANSPOSE else 1


def _reduce(image: Image.Image, at_least: tuple[int, int]) -> None:
    height, width = at_least if _orientation(image) < 5 else at_least[::-1]
    image.draft(None, (max(1, width), max(1, height)))


def _rgb(image: Image.Image) -> NDArray[np.uint8]:
    upright = TRANSPOSE.get(_orientation(image))
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
