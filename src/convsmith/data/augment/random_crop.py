"""The random resized crop: one implementation for images in files and in memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convsmith.backend.preprocess import on_ground, resize
from convsmith.data.decode.image import Box
from convsmith.network.preprocess import Preprocess

LOG_RATIO = math.log(4 / 3)
"""The logarithm of the greatest aspect ratio of a random box; the least is its inverse."""

LONG = 2
"""Times its width: of pictures that are longer, boxes are sized as if they were not; larger ones would not fit."""

Choose = Callable[[int, int], Box]
"""Picks a box of an image from its height and width."""

Crop = Callable[[Choose], NDArray[np.uint8]]
"""Reads the box (h, w, 3) of one image that a `Choose` picks."""


def random_resized_crop(
    crop: Crop, preprocess: Preprocess, area: float, flip: bool, generator: np.random.Generator
) -> Tensor:
    """A random box of at least the fraction `area` of an image, resized to the preprocessing's crop, antialiased.

    Where it squashes or pads whole pictures, the box has the picture's proportions, and is squashed or padded as they
    are. Returns uint8 (h, w, 3), with `flip` mirrored half of the time.
    """
    choose = _random_box if preprocess.framing == "crop" else _random_part
    box = crop(lambda height, width: choose(height, width, area, generator))
    pixels = torch.from_numpy(box.copy())[None].permute(0, 3, 1, 2)
    whole = replace(preprocess, resize=preprocess.crop)
    size = whole.crop if whole.pad is None else whole.resized(*pixels.shape[2:])
    # On uint8, channels last, the resize runs on integers, several times as fast; training needs no fractions.
    resized = resize(pixels, size, "bilinear")
    if whole.pad is not None:
        resized = on_ground(resized, whole.crop, torch.tensor(whole.pad).mul(255).round().view(3, 1, 1))
    resized = resized[0].permute(1, 2, 0)
    return resized.flip(1) if flip and generator.random() < 0.5 else resized


def _random_box(height: int, width: int, area: float, generator: np.random.Generator) -> Box:
    """A box inside the image; its middle square if ten random boxes do not fit."""
    largest = min(height * width, LONG * min(height, width) ** 2)
    for _ in range(10):
        pixels = largest * generator.uniform(area, 1.0)
        ratio = math.exp(generator.uniform(-LOG_RATIO, LOG_RATIO))
        box_height, box_width = round(math.sqrt(pixels / ratio)), round(math.sqrt(pixels * ratio))
        if 0 < box_height <= height and 0 < box_width <= width:
            top = int(generator.integers(height - box_height + 1))
            left = int(generator.integers(width - box_width + 1))
            return Box(top, left, box_height, box_width)
    side = min(height, width)
    return Box((height - side) // 2, (width - side) // 2, side, side)


def _random_part(height: int, width: int, area: float, generator: np.random.Generator) -> Box:
    """A box of the image's own proportions, but for a ratio of 3/4 to 4/3; the whole if ten of them do not fit."""
    for _ in range(10):
        share, ratio = generator.uniform(area, 1.0), math.exp(generator.uniform(-LOG_RATIO, LOG_RATIO))
        down, across = math.sqrt(share / ratio), math.sqrt(share * ratio)
        if down <= 1 and across <= 1:
            box_height, box_width = max(1, round(height * down)), max(1, round(width * across))
            top = int(generator.integers(height - box_height + 1))
            left = int(generator.integers(width - box_width + 1))
            return Box(top, left, box_height, box_width)
    return Box(0, 0, height, width)
