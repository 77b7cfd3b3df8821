"""Random changes to training images: described as data, drawn from an explicit generator."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from convsmith.backend.preprocess import resize
from convsmith.data.augment.batch_random import Draws
from convsmith.data.augment.trivial import trivial_augment
from convsmith.data.decode.image import Box

DIGIT_WORDS = frozenset(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
SIDES = frozenset(("left", "right"))


@dataclass(frozen=True)
class Augment:
    """What may happen to a training image. All off by default; the order is that of the fields.

    - `resized_crop`: a random part of at least this fraction of the area, of aspect ratio 3/4 to 4/3, resized to the
      network's input (Szegedy et al. 2015, section 6). In (0, 1], or None: the evaluation crop.
    - `shift` (fraction of the side), `rotate` (degrees), `scale` (fraction): each drawn uniformly from +- the value.
    - `crop_padding`: zeros added on each side before a random crop of the old size, in pixels (He et al. 2015, 4.2).
    - `flip`: left and right exchanged in half of the images.
    - `trivial`: one random change of shape or colour, of random strength: TrivialAugment (see `trivial_augment`).
    - `erase`: the probability that a rectangle is painted over with the image's mean colour (Zhong et al. 2017).
    """

    resized_crop: float | None = None
    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    crop_padding: int = 0
    flip: bool = False
    trivial: bool = False
    erase: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            resized_crop=None if data["resized_crop"] is None else float(data["resized_crop"]),
            shift=float(data["shift"]),
            rotate=float(data["rotate"]),
            scale=float(data["scale"]),
            crop_padding=int(data["crop_padding"]),
            flip=bool(data["flip"]),
            trivial=bool(data["trivial"]),
            erase=float(data["erase"]),
        )


def written_characters(classes: Iterable[str]) -> bool:
    """Whether the classes are digits or letters: each name is one character, a number's digits, or a digit's word."""
    names = [name.strip().lower() for name in classes]
    return all(len(name) == 1 or name.isdigit() or name in DIGIT_WORDS for name in names)


def flip_keeps_class(classes: Iterable[str]) -> bool:
    """Whether a mirror image still belongs to its class: not for digits and letters, nor where a name says a side."""
    names = list(classes)
    sided = any(SIDES & set(re.split(r"[^a-z]+", name.lower())) for name in names)
    return not sided and not written_characters(names)


def augment_batch(images: Tensor, augment: Augment, draws: Draws) -> Tensor:
    """Augments float32 images (N, C, H, W) in 0..255, each by its own draws. Returns (N, C, H, W)."""
    if augment.resized_crop is not None:
        images = _resized_crop(images, augment.resized_crop, draws)
    if augment.shift or augment.rotate or augment.scale:
        images = _affine(images, augment, draws)
    if augment.crop_padding:
        images = _shifted_crop(images, augment.crop_padding, draws)
    if augment.flip:
        flipped = draws.uniform() < 0.5
        images = torch.where(flipped.to(images.device)[:, None, None, None], images.flip(3), images)
    if augment.trivial:
        images = trivial_augment(images, draws)
    if augment.erase:
        images = _erase(images, augment.erase, draws)
    return images


LOG_RATIO = math.log(4 / 3)
"""The logarithm of a random part's greatest aspect ratio; the least is its inverse."""

Part = Callable[[Callable[[int, int], Box]], NDArray[np.uint8]]
"""Gives the part (h, w, 3) of an image that a function of its height and width chooses."""


def random_resized_crop(
    part: Part, size: tuple[int, int], area: float, flip: bool, generator: np.random.Generator
) -> Tensor:
    """A random box of an image, at least `area` of it, resized to `size` (height, width): uint8 (*size, 3).

    With `flip` it is mirrored half of the time.
    """
    box = part(lambda height, width: _random_box(height, width, area, generator))
    pixels = torch.from_numpy(np.ascontiguousarray(box))[None].permute(0, 3, 1, 2)
    # On uint8, channels last, the resize runs on integers, several times as fast; training needs no fractions.
    crop = resize(pixels, size, "bilinear")[0].permute(1, 2, 0)
    return crop.flip(1) if flip and generator.random() < 0.5 else crop


def _random_box(height: int, width: int, area: float, generator: np.random.Generator) -> Box:
    """A box inside the image; the middle of it where ten draws do not fit."""
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


def _affine(images: Tensor, augment: Augment, draws: Draws) -> Tensor:
    height, width = images.shape[2:]
    turn, grow, right, down = 2 * draws.uniform(4) - 1
    angle = turn * math.radians(augment.rotate)
    zoom = 1 / (1 + grow * augment.scale)
    cosine, sine = zoom * angle.cos(), zoom * angle.sin()
    # Grid coordinates run from -1 to 1 over each side, so a rotation must undo the aspect ratio, and a shift by the
    # whole side is 2.
    along_x = (cosine, -sine * height / width, 2 * augment.shift * right)
    along_y = (sine * width / height, cosine, 2 * augment.shift * down)
    return _sampled(images, along_x, along_y)


def _resized_crop(images: Tensor, area: float, draws: Draws) -> Tensor:
    """`random_resized_crop` of each image in a batch. A box that is too long for the image is as long as the image."""
    height, width = images.shape[2:]
    size, shape, down, right = draws.uniform(4)
    share = area + size * (1 - area)
    ratio = torch.exp((2 * shape - 1) * LOG_RATIO) * height / width
    tall, wide = (share / ratio).sqrt().clamp(max=1), (share * ratio).sqrt().clamp(max=1)
    none = torch.zeros_like(share)
    along_x, along_y = (wide, none, (2 * right - 1) * (1 - wide)), (none, tall, (2 * down - 1) * (1 - tall))
    return _sampled(images, along_x, along_y)


Along = tuple[Tensor, Tensor, Tensor]
"""A coordinate in an image as a function of x and y in the new one: their factors and a constant, (N,) each."""


def _sampled(images: Tensor, along_x: Along, along_y: Along) -> Tensor:
    """New images whose pixel at (x, y) is the old ones' at (along_x, along_y), interpolated."""
    height, width = images.shape[2:]
    x, y = _centres(width)[None, None, :], _centres(height)[None, :, None]
    # Broadcasting is five times as fast as F.affine_grid, which multiplies matrices of three columns.
    places = [u[:, None, None] * x + (v[:, None, None] * y + w[:, None, None]) for u, v, w in (along_x, along_y)]
    grid = torch.stack(places, dim=3).to(images.device)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _centres(length: int) -> Tensor:
    """Where the pixels' centres lie between -1 and 1, (length,)."""
    return (2 * torch.arange(length) + 1) / length - 1


def _shifted_crop(images: Tensor, padding: int, draws: Draws) -> Tensor:
    count, _, height, width = images.shape
    top, left = draws.integers(2 * padding + 1, 2).to(images.device)
    # All crops as views of the padded images, of which one each is copied.
    crops = F.pad(images, [padding] * 4).unfold(2, height, 1).unfold(3, width, 1)
    return crops[torch.arange(count, device=images.device), :, top, left]


def _erase(images: Tensor, probability: float, draws: Draws) -> Tensor:
    height, width = images.shape[2:]
    size, shape, down, right, chance = draws.uniform(5).to(images.device)
    area = 0.02 + size * (0.33 - 0.02)
    ratio = torch.exp((2 * shape - 1) * math.log(1 / 0.3))
    box_height, box_width = (area * ratio).sqrt().clamp(max=1) * height, (area / ratio).sqrt().clamp(max=1) * width
    inside = _between(height, down * (height - box_height), box_height)[:, None, :, None]
    inside = inside & _between(width, right * (width - box_width), box_width)[:, None, None, :]
    chosen = inside & (chance < probability)[:, None, None, None]
    return torch.where(chosen, images.mean(dim=(2, 3), keepdim=True), images)


def _between(length: int, start: Tensor, extent: Tensor) -> Tensor:
    """(N, length): which positions lie in [start, start + extent) of each image."""
    position = torch.arange(length, device=start.device)
    return (position >= start[:, None]) & (position < (start + extent)[:, None])
