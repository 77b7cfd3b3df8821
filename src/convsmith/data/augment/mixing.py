"""Two images and their labels mixed into one: for whole batches, on their device."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor

from convsmith.errors import UsageError


@dataclass(frozen=True)
class Mixing:
    """How the images of a batch are mixed with each other, if at all; with both, each batch gets one at random.

    - `mixup`: images are averaged, in a ratio drawn from Beta(mixup, mixup) (Zhang et al. 2018, arXiv 1710.09412).
    - `cutmix`: a rectangle comes from another image, of an area drawn likewise (Yun et al. 2019, arXiv 1905.04899).

    0 is off. Raises UsageError for a negative value.
    """

    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("mixup", self.mixup), ("cutmix", self.cutmix)):
            if value < 0:
                raise UsageError(f"must be at least 0, not {value}", settings=name)

    def __bool__(self) -> bool:
        return bool(self.mixup or self.cutmix)

    def to_json(self) -> dict[str, Any]:
        builtins: dict[str, Any] = msgspec.to_builtins(self)
        return builtins

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The mixing that `to_json` wrote. Raises UsageError for a wrong type or a value out of range."""
        try:
            return msgspec.convert(dict(data), cls)
        except msgspec.ValidationError as error:
            raise UsageError(f"not a mixing of images: {error}") from None


def mix_batch(
    images: Tensor, labels: Tensor, classes: int, mixing: Mixing, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mixes each of (N, C, H, W) with another of its batch. Returns them and float32 (N, classes), each row's sum 1.

    `labels` is int64 (N,). `generator` lives on the CPU, so that every device sees the same numbers.
    """
    partner = torch.randperm(len(images), generator=generator).to(images.device)
    cut = bool(mixing.cutmix) and (not mixing.mixup or torch.rand((), generator=generator).item() < 0.5)
    share = _beta(mixing.cutmix if cut else mixing.mixup, generator)
    if cut:
        images, share = _with_rectangle(images, images[partner], share, generator)
    else:
        images = torch.lerp(images[partner], images, share)
    targets = F.one_hot(labels, classes).float()
    return images, torch.lerp(targets[partner], targets, share)


def _with_rectangle(images: Tensor, others: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, float]:
    """A rectangle of about 1 - share of the area taken from the others, and the share that is really left."""
    height, width = images.shape[2:]
    side = math.sqrt(1 - share)
    middle = torch.rand(2, generator=generator).tolist()
    top, bottom = (min(height, max(0, round(middle[0] * height + s * side * height / 2))) for s in (-1, 1))
    left, right = (min(width, max(0, round(middle[1] * width + s * side * width / 2))) for s in (-1, 1))
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def _beta(concentration: float, generator: torch.Generator) -> float:
    """A sample of Beta(concentration, concentration): the ratio of one gamma sample to the sum of two."""
    shape = torch.full((2,), concentration, dtype=torch.float64)
    first, second = torch._standard_gamma(shape, generator=generator).tolist()
    return first / (first + second) if first + second else 0.5
