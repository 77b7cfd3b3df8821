"""From an image file of any kind to uint8 RGB. Files are untrusted: whatever is wrong with one is a DataError.

The rules, for every format:
- EXIF orientation is applied. Of an animation the first frame counts.
- Grey becomes three equal channels; a palette, its colours. Transparency is composited on white, or on the ground that
  a `Decoding` names.
- 16-bit grey is scaled by 1/257 and rounded, so that 65535 becomes 255 (with a `Decoding` of fewer bits, the highest
  value of these); "32-bit" integers must lie in 0..65535 and are treated alike; floats must lie in 0..1. Of 16-bit
  colour, Pillow keeps the high bytes.
- A JPEG that lacks only its end mark has all its pixels and is used; texts and colour profiles of a PNG that cannot be
  read are ignored.
- CMYK becomes RGB by the plain formula, R = (1 - C)(1 - K); colour profiles are not applied.
- An image of more than `MAX_PIXELS` is refused by its header, before any of it is decoded.
"""

from __future__ import annotations

import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

# Importing a reader registers it with Pillow; `preinit` below does so for the other formats.
from PIL import AvifImagePlugin, Image, TiffImagePlugin, WebPImagePlugin  # noqa: F401

from convsmith.data.decode.decoding import USUAL, Decoding
from convsmith.data.decode.exif import DECODER_ERRORS, SIDES_SWAP_FROM, TRANSPOSE, orientation_of
from convsmith.data.decode.foreign import kind_of
from convsmith.data.decode.jpeg import MAX_FILE_BYTES, plain_jpeg
from convsmith.data.decode.png import without_texts
from convsmith.errors import DataError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF")
"""The formats that are read. Pillow reads forty more, which cameras do not write and whose readers are rarely used."""

MAX_PIXELS = 64_000_000
"""192 MB decoded, so a few at a time fit beside a training run; a file of a few kB can claim a thousand times that."""

PREFIX_BYTES = 32
"""What tells a file's format."""

Image.preinit()

# Pillow warns of damaged notes in files whose pixels are sound; what matters of a file is in `UnreadableError`.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

SUFFIXES = frozenset(suffix for suffix, name in Image.EXTENSION.items() if name in FORMATS)
"""What the names of such files end in, in lower case: ".jpg", ".jpeg", ".png" and so on."""


class UnreadableError(DataError):
    """A file that is not a usable image: `subject` names it, `reason` says why."""

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(f"{subject}: {reason}")
        self.subject = subject
        self.reason = reason


class Box(NamedTuple):
    """A rectangle in an image, in pixels, with the EXIF orientation applied."""

    top: int
    left: int
    height: int
    width: int


def decode(
    source: Path | bytes, at_least: tuple[int, int] | None = None, decoding: Decoding = USUAL
) -> NDArray[np.uint8]:
    """Decodes a file, or the bytes of one, to uint8 RGB (H, W, 3), its EXIF orientation applied.

    With `at_least` (height, width), a JPEG may come at 1/2, 1/4 or 1/8 of its size, if that is at least as large:
    the decoder then skips most of its work. Raises DataError naming the file and what is wrong with it.
    """
    plain = plain_jpeg(source, MAX_PIXELS)
    if plain is not None and (pixels := plain.pixels(at_least)) is not None:
        return pixels

    def read(source: Path | bytes) -> NDArray[np.uint8]:
        with opened(source) as image:
            if at_least is not None:
                reduce(image, at_least)
            return rgb_of(image, decoding)

    return read_or_repair(source, read)[0]


def decode_crop(
    source: Path | bytes,
    choose: Callable[[int, int], Box],
    size: tuple[int, int],
    decoding: Decoding = USUAL,
) -> NDArray[np.uint8]:
    """The box of an image that `choose` picks, given its height and width: uint8 RGB (h, w, 3), orientation applied.

    A JPEG may come reduced, as `decode` does it, to a scale at which the box is still at least `size` (height, width),
    if it is in full. Raises DataError as `decode` does.
    """
    plain = plain_jpeg(source, MAX_PIXELS)
    height, width = _displayed_size(source) if plain is None else (plain.height, plain.width)
    box = choose(height, width)
    at_least = (-(-height * size[0] // box.height), -(-width * size[1] // box.width))
    pixels = None if plain is None else plain.pixels(at_least)
    if pixels is None:
        pixels = decode(source, at_least, decoding)
    down, across = pixels.shape[0] / height, pixels.shape[1] / width
    reduced = Box(int(box.top * down), int(box.left * across), int(box.height * down), int(box.width * across))
    return cut(pixels, reduced)


def cut(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """The box of an image (H, W, 3), a view, of one pixel at least."""
    return pixels[box.top : box.top + max(1, box.height), box.left : box.left + max(1, box.width)]


Result = TypeVar("Result")


def read_or_repair(source: Path | bytes, read: Callable[[Path | bytes], Result]) -> tuple[Result, bool]:
    """What `read` makes of a file, and whether it only could without the texts in it (see `without_texts`)."""
    try:
        return read(source), False
    except UnreadableError:
        content = source if isinstance(source, bytes) else _content(source)
        reduced = None if content is None else without_texts(content)
        if reduced is None:
            raise
        try:
            return read(reduced), True
        except UnreadableError:
            pass
        raise


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.is_file() and path.stat().st_size <= MAX_FILE_BYTES else None
    except OSError:
        return None


@contextmanager
def opened(source: Path | bytes) -> Iterator[Image.Image]:
    """The image, its header read and accepted. Every failure, here or in the body, is an UnreadableError."""
    subject = str(source) if isinstance(source, Path) else "image"
    try:
        with _stream(source) as stream, _identified(stream) as image:
            if not 0 < image.width * image.height <= MAX_PIXELS:
                raise _RefusedError(f"{image.width}x{image.height} pixels; at most {MAX_PIXELS:,} are read")
            yield image
    except _RefusedError as refusal:
        raise UnreadableError(subject, str(refusal)) from None
    except DECODER_ERRORS as error:
        raise UnreadableError(subject, _reason(error)) from None


class _RefusedError(Exception):
    """Why a file is not read, before its name is put to it."""


@contextmanager
def stream_of(source: Path) -> Iterator[IO[bytes]]:
    """A regular file, open to be read. Raises UnreadableError."""
    try:
        with _stream(source) as stream:
            yield stream
    except _RefusedError as refusal:
        raise UnreadableError(str(source), str(refusal)) from None
    except OSError as error:
        raise UnreadableError(str(source), _reason(error)) from None


def _stream(source: Path | bytes) -> IO[bytes]:
    if isinstance(source, bytes):
        return BytesIO(source)
    mode = source.stat().st_mode
    if stat.S_ISDIR(mode):
        raise _RefusedError("a folder, not an image")
    if not stat.S_ISREG(mode):
        # To open a pipe would wait for its writer.
        raise _RefusedError("not a regular file")
    return source.open("rb", buffering=1 << 17)  # most files in one read; decoders ask for little


def _identified(stream: IO[bytes]) -> Image.Image:
    """As `Image.open`, which would warn of large images, and only refuse those of 179 million pixels."""
    prefix = stream.read(PREFIX_BYTES)
    if not prefix:
        raise _RefusedError("empty file")
    name = format_of(prefix)
    if name is None:
        kind = kind_of(prefix)
        known = ", ".join(FORMATS)
        raise _RefusedError(f"{kind}" if kind else f"not an image of a known format ({known})")
    stream.seek(0)
    return Image.OPEN[name][0](stream, "")


def format_of(prefix: bytes) -> str | None:
    """Which of the formats a file is that begins with these bytes; None if it is none of them."""
    for name in FORMATS:
        accepts = Image.OPEN[name][1]
        if accepts is None or accepts(prefix[:16]) is True:
            return name
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    words = " ".join(str(error).split())
    return f"damaged image ({words or type(error).__name__})"


def _displayed_size(source: Path | bytes) -> tuple[int, int]:
    """(height, width), from the header."""

    def read(source: Path | bytes) -> tuple[int, int]:
        with opened(source) as image:
            return displayed_size(image)[::-1]

    return read_or_repair(source, read)[0]


def displayed_size(image: Image.Image) -> tuple[int, int]:
    """(width, height), once the EXIF orientation is applied."""
    return image.size if orientation_of(image) < SIDES_SWAP_FROM else image.size[::-1]


def reduce(image: Image.Image, at_least: tuple[int, int]) -> None:
    """Has a JPEG decoded at a fraction of its size that is still `at_least` (height, width)."""
    height, width = at_least if orientation_of(image) < SIDES_SWAP_FROM else at_least[::-1]
    image.draft(None, (max(1, width), max(1, height)))


def rgb_of(image: Image.Image, decoding: Decoding = USUAL) -> NDArray[np.uint8]:
    """uint8 RGB (H, W, 3) of an image of Pillow's, by the rules at the top."""
    transpose = TRANSPOSE.get(orientation_of(image))
    image.load()
    colours = _eight_bit(image, decoding)
    return np.array(colours if transpose is None else colours.transpose(transpose))


def _eight_bit(image: Image.Image, decoding: Decoding) -> Image.Image:
    """RGB of the same size, by the rules at the top."""
    if image.mode == "F":
        return _scaled(np.asarray(image), 1, 255)
    if image.mode.startswith("I"):
        return _scaled(np.asarray(image), 65535, 255 / decoding.highest)
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, (decoding.ground,) * 3)
        return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _scaled(grey: NDArray[Any], highest: int, factor: float) -> Image.Image:
    if not ((grey >= 0) & (grey <= highest)).all():
        raise _RefusedError(f"grey values beyond 0 to {highest}; save it with 8 or 16 bits")
    return Image.fromarray((grey * factor).round().clip(0, 255).astype(np.uint8)).convert("RGB")
