"""The random resized crop: one implementation for images in files and in memory."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convsmith.backend.preprocess import resize
from convsmith.data.decode.image import Box

LOG_RATIO = math.log(4 / 3)
"""The logarithm of the greatest aspect ratio of a random box; the least is its inverse."""

Choose = Callable[[int, int], Box]
"""Picks a box of an image from its height and width."""

Crop = Callable[[Choose], NDArray[np.uint8]]
"""Reads the box (h, w, 3) of one image that a `Choose` picks."""


def random_resized_crop(
    crop: Crop, size: tuple[int, int], area: float, flip: bool, generator: np.random.Generator
) -> Tensor:
    """A random box of at least the fraction `area` of an image, resized to `size` (height, width), antialiased.

    Returns uint8 (*size, 3), with `flip` mirrored half of the time.
    """
    box = crop(lambda height, width: _random_box(height, width, area, generator))
    pixels = torch.from_numpy(box.copy())[None].permute(0, 3, 1, 2)
    # On uint8, channels last, the resize runs on integers, several times as fast; training needs no fractions.
    resized = resize(pixels, size, "bilinear")[0].permute(1, 2, 0)
    return resized.flip(1) if flip and generator.random() < 0.5 else resized


def _random_box(height: int, width: int, area: float, generator: np.random.Generator) -> Box:
    """A box inside the image; its middle square if ten random boxes do not fit."""
    for _ in range(10):
        pixels = height * width * generator.uniform(area, 1.0)
        ratio = math.exp(generator.uniform(-LOG_RATIO, LOG_RATIO))
        box_height, box_width = round(math.sqrt(pixels / ratio)), round(math.sqrt(pixels * ratio))
        if 0 < box_height <= height and 0 < box_width <= width:
            top = int(generator.integers(height - box_height + 1))
            left = int(generator.integers(width - box_width + 1))
            return Box(top, left, box_height, box_width)
    side = min(height, width)
    return Box((height - side) // 2, (width - side) // 2, side, side)
