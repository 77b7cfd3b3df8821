"""EXIF's orientation (how the camera was held), and what undoes it."""

from __future__ import annotations

import struct
import zlib

from PIL import Image

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
"""What undoes each orientation; from `SIDES_SWAP_FROM` on, width and height change places."""

SIDES_SWAP_FROM = 5

DECODER_ERRORS = (
    *(OSError, SyntaxError, ValueError, IndexError, TypeError, KeyError, EOFError, OverflowError, MemoryError),
    *(struct.error, zlib.error, RuntimeError, Image.DecompressionBombError),
)
"""What Pillow's readers and decoders raise on damaged files; RuntimeError comes from its AVIF decoder, and GIF and WebP
check the size of their frames against Pillow's own limit."""


def orientation_of(image: Image.Image) -> int:
    """1 to 8, as in EXIF; 1 where nothing is noted, or nothing that can be understood."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except DECODER_ERRORS:
        # Pixels may be sound where the camera's notes are not.
        return 1
    return value if value in TRANSPOSE else 1
