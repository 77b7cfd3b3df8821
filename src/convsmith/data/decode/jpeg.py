"""JPEGs straight from libjpeg-turbo: the pixels that Pillow gives, to the bit, in a third of its time.

Pillow copies what the decoder makes three times on the way to an array. Only plain files are read here: grey or colour,
without a flaw. Of all others nothing is said, and Pillow reads them, or says what is wrong.
"""

from __future__ import annotations

import contextlib
import io
import stat
from pathlib import Path
from typing import NamedTuple

import numpy as np
import simplejpeg  # type: ignore[import-untyped]
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from convsmith.data.decode.exif import DECODER_ERRORS, SIDES_SWAP_FROM, TRANSPOSE, orientation_of

JPEG_START = b"\xff\xd8\xff"
APP1, START_OF_SCAN = b"\xe1", b"\xda"
"""Markers of the segments that hold the notes of EXIF and XMP, and of the first one of pixels."""

END_MARK = b"\xff\xd9"
MAX_FILE_BYTES = 64 << 20
"""Bytes of a file that are read at once."""

COLOUR_SPACES = {"Gray", "YCbCr", "RGB"}


class PlainJpeg(NamedTuple):
    """A JPEG's bytes, its size in pixels once its EXIF orientation is applied, that orientation, whether it is grey."""

    content: bytes
    height: int
    width: int
    orientation: int
    grey: bool

    def pixels(self, at_least: tuple[int, int] | None = None) -> NDArray[np.uint8] | None:
        """uint8 RGB (H, W, 3), EXIF orientation applied; None if anything is wrong with the file.

        In full, or at the smallest of 1/2, 1/4 and 1/8 that is `at_least` (height, width).
        """
        scale = self._scale(at_least)
        height, width = -(-self.height // scale), -(-self.width // scale)
        stored = (height, width) if self.orientation < SIDES_SWAP_FROM else (width, height)
        pixels = _decoded(self.content, stored)
        if pixels is None:
            pixels = _decoded(self.content + END_MARK, stored)
        transpose = TRANSPOSE.get(self.orientation)
        return pixels if pixels is None or transpose is None else np.array(Image.fromarray(pixels).transpose(transpose))

    @property
    def lacks_end_mark(self) -> bool:
        """Whether the file stops before the mark of its end, as after a copy that broke off at the last bytes.

        With the mark put there, the decoder still notices pixels that are missing.
        """
        return not self.content.endswith(END_MARK) and _decoded(self.content, (1, 1)) is None

    def _scale(self, at_least: tuple[int, int] | None) -> int:
        if at_least is None:
            return 1
        fits = min(self.height // max(1, at_least[0]), self.width // max(1, at_least[1]))
        return max((scale for scale in (2, 4, 8) if scale <= fits), default=1)


def plain_jpeg(source: Path | bytes, most_pixels: int) -> PlainJpeg | None:
    """The file, if it is a JPEG of grey or colour with a whole header and at most `most_pixels`; else None."""
    content = source if isinstance(source, bytes) else _read(source)
    if not content.startswith(JPEG_START):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
        orientation = _orientation(content) if _may_hold_exif(content) else 1
    except DECODER_ERRORS:
        return None
    if colours not in COLOUR_SPACES or not 0 < height * width <= most_pixels:
        return None
    displayed = (height, width) if orientation < SIDES_SWAP_FROM else (width, height)
    return PlainJpeg(content, *displayed, orientation, colours == "Gray")


def _decoded(content: bytes, at_least: tuple[int, int]) -> NDArray[np.uint8] | None:
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(content, min_height=at_least[0], min_width=at_least[1])
    except ValueError:
        return None
    return pixels


def _read(path: Path) -> bytes:
    """The bytes of a file of moderate size that begins as JPEGs do; nothing of any other."""
    with contextlib.suppress(OSError):
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_FILE_BYTES:
            with path.open("rb", buffering=0) as file:
                start = file.read(len(JPEG_START))
                return start + file.read(status.st_size) if start == JPEG_START else b""
    return b""


def _may_hold_exif(content: bytes) -> bool:
    """Whether there are notes before the pixels, or anything that this walk from segment to segment does not know."""
    at = 2
    while content[at : at + 1] == b"\xff":
        marker = content[at + 1 : at + 2]
        if marker == START_OF_SCAN:
            return False
        if marker in (APP1, b"\xff", b""):
            return True
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return True


def _orientation(content: bytes) -> int:
    with JpegImagePlugin.JpegImageFile(io.BytesIO(content)) as image:
        return orientation_of(image)
