"""Pictures as floats and as Pillow's images, and their scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convsmith.evaluation.corruption.noise import Picture

USUAL_SIDE = 224
"""Pixels of the pictures that the corruptions' lengths are for."""

LUMA = np.array((0.299, 0.587, 0.114), np.float32)


def scale_of(picture: Picture) -> float:
    """How long a pixel of 224 is here."""
    height, width, _ = picture.shape
    return float(min(height, width)) / USUAL_SIDE


def grey_of(picture: Picture) -> Picture:
    """(H, W, 1) by luma (ITU-R 601)."""
    return picture if picture.shape[2] == 1 else (picture @ LUMA)[..., None]


def as_bytes(picture: Picture) -> NDArray[np.uint8]:
    """The picture in 0..255, what is outside of it clipped."""
    return (picture * 255).round().clip(0, 255).astype(np.uint8)


def image_of(picture: Picture) -> Image.Image:
    """Grey or RGB."""
    pixels = as_bytes(picture)
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def picture_of(image: Image.Image) -> Picture:
    """float32 (H, W, C) in 0..1."""
    pixels = np.asarray(image)
    return floats_of(pixels if pixels.ndim == 3 else pixels[..., None])


def floats_of(pixels: NDArray[np.uint8]) -> Picture:
    """0..1 of 0..255."""
    return pixels.astype(np.float32) / np.float32(255)
