"""Random changes to training images: described as data, drawn from an explicit generator."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor

from convsmith.data.augment.batch_random import BatchRandom
from convsmith.data.augment.trivial import trivial_augment
from convsmith.data.sources.naming.split_names import WORD
from convsmith.errors import UsageError

DIGIT_WORDS = frozenset(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
SIDES = frozenset(
    ("left", "right", "lefthand", "righthand", "leftward", "rightward", "leftwards", "rightwards")
    + ("clockwise", "anticlockwise", "counterclockwise", "cw", "ccw")
)
DIRECTIONS = SIDES | {"up", "down", "upward", "downward", "upwards", "downwards", "upright", "rotated", "turned"}
COLOURS = frozenset(
    ("red", "green", "blue", "yellow", "orange", "purple", "pink", "brown", "black", "white", "grey", "gray")
    + ("dark", "bright", "light", "day", "night", "underexposed", "overexposed", "ripe", "unripe")
)


@dataclass(frozen=True)
class Augment:
    """What may happen to a training image. All off by default; the order is that of this list.

    Raises UsageError for a value out of range.

    - `resized_crop`: a random part of at least this fraction of the area, of aspect ratio 3/4 to 4/3, resized to the
      network's input (Szegedy et al. 2015, section 6). In (0, 1], or None: the evaluation crop.
      `random_resized_crop` does it, and `flip` with it, where the image is read.
    - `shift` (fraction of the side), `rotate` (degrees), `scale` (fraction): each drawn uniformly from +- the value.
    - `crop_padding`: zeros added on each side before a random crop of the old size, in pixels (He et al. 2015, 4.2).
    - `flip`: left and right exchanged in half of the images.
    - `quarter_turns`: turned by 0, 90, 180 or 270 degrees; images that are not square by 0 or 180.
    - `trivial`: one random change of shape or colour, of random strength: TrivialAugment (see `trivial_augment`);
      without `turn` it neither turns nor shears, without `colour` it changes no values.
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
    turn: bool = True
    colour: bool = True
    quarter_turns: bool = False

    def __post_init__(self) -> None:
        for name, right, what in (
            ("resized_crop", self.resized_crop is None or 0 < self.resized_crop <= 1, "above 0, at most 1, or none"),
            ("shift", 0 <= self.shift <= 1, "from 0 to 1"),
            ("rotate", 0 <= self.rotate <= 180, "from 0 to 180 degrees"),
            ("scale", 0 <= self.scale < 1, "from 0 to below 1"),
            ("crop_padding", self.crop_padding >= 0, "at least 0"),
            ("erase", 0 <= self.erase <= 1, "from 0 to 1"),
        ):
            if not right:
                raise UsageError(f"must be {what}, not {getattr(self, name)}", settings=name)

    def to_json(self) -> dict[str, Any]:
        builtins: dict[str, Any] = msgspec.to_builtins(self)
        return builtins

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The augmentation that `to_json` wrote. Raises UsageError for a wrong type or a value out of range."""
        try:
            return msgspec.convert(dict(data), cls)
        except msgspec.ValidationError as error:
            raise UsageError(f"not an augmentation: {error}") from None


def written_characters(classes: Iterable[str]) -> bool:
    """Whether the classes are digits or letters: each name is one character, a number's digits, or a digit's word."""
    names = [name.strip().lower() for name in classes]
    return all(len(name) == 1 or name.isdigit() or name in DIGIT_WORDS for name in names)


def flip_keeps_class(classes: Iterable[str]) -> bool:
    """Whether a mirror image still belongs to its class, by the classes' names: not for digits and letters, nor where a
    name says a side. What the images say, `convsmith.data.checks.exchange` finds."""
    names = list(classes)
    sided = any(SIDES & {word.lower() for word in WORD.findall(name)} for name in names)
    return not sided and not written_characters(names)


def turn_keeps_class(classes: Iterable[str]) -> bool:
    """Whether a turned image still belongs to its class, by the names: not for digits and letters, nor where several
    names say a direction."""
    names = list(classes)
    directed = sum(bool(DIRECTIONS & {word.lower() for word in WORD.findall(name)}) for name in names)
    return directed < 2 and not written_characters(names)


def colour_keeps_class(classes: Iterable[str]) -> bool:
    """Whether an image in other colours still belongs to its class, by the names: not where each says a colour."""
    return not all(COLOURS & {word.lower() for word in WORD.findall(name)} for name in classes)


def augment_batch(images: Tensor, augment: Augment, random: BatchRandom) -> Tensor:
    """Augments float32 images (N, C, H, W) in 0..255, each by its own random. Returns (N, C, H, W)."""
    if augment.shift or augment.rotate or augment.scale:
        images = _affine(images, augment, random)
    if augment.crop_padding:
        images = _shifted_crop(images, augment.crop_padding, random)
    if augment.flip:
        flipped = random.uniform() < 0.5
        images = torch.where(flipped.to(images.device)[:, None, None, None], images.flip(3), images)
    if augment.quarter_turns:
        images = _quarter_turned(images, random)
    if augment.trivial:
        images = trivial_augment(images, random, turn=augment.turn, colour=augment.colour)
    if augment.erase:
        images = _erase(images, augment.erase, random)
    return images


def _affine(images: Tensor, augment: Augment, random: BatchRandom) -> Tensor:
    height, width = images.shape[2:]
    turn, grow, right, down = 2 * random.uniform(4) - 1
    angle = turn * math.radians(augment.rotate)
    zoom = 1 / (1 + grow * augment.scale)
    cosine, sine = zoom * angle.cos(), zoom * angle.sin()
    # Grid coordinates run from -1 to 1 over each side, so a rotation must undo the aspect ratio, and a shift by the
    # whole side is 2.
    along_x = (cosine, -sine * height / width, 2 * augment.shift * right)
    along_y = (sine * width / height, cosine, 2 * augment.shift * down)
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


def _shifted_crop(images: Tensor, padding: int, random: BatchRandom) -> Tensor:
    count, _, height, width = images.shape
    top, left = random.integers(2 * padding + 1, 2).to(images.device)
    # All crops as views of the padded images; one of each is copied.
    crops = F.pad(images, [padding] * 4).unfold(2, height, 1).unfold(3, width, 1)
    return crops[torch.arange(count, device=images.device), :, top, left]


def _quarter_turned(images: Tensor, random: BatchRandom) -> Tensor:
    square = images.shape[2] == images.shape[3]
    quarters = (random.integers(4) if square else 2 * random.integers(2)).to(images.device)
    turned = images.clone()
    for quarter in (1, 2, 3) if square else (2,):
        chosen = quarters == quarter
        turned[chosen] = images[chosen].rot90(quarter, (2, 3))
    return turned


def _erase(images: Tensor, probability: float, random: BatchRandom) -> Tensor:
    height, width = images.shape[2:]
    size, shape, down, right, chance = random.uniform(5).to(images.device)
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
