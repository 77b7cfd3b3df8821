"""The part of a resized image that is kept, without the rest: memory is that of the part, however long the image."""

from __future__ import annotations

import torch
from torch import Tensor

from convsmith.network.preprocess import Interpolation

RADIUS: dict[Interpolation, float] = {"bilinear": 1.0, "bicubic": 2.0}
"""Half the width of the kernel, in pixels of the smaller image."""

SHARPNESS = -0.5
"""The cubic kernel's parameter a: Pillow's, and torch's with antialiasing."""


def resize_window(
    images: Tensor, size: tuple[int, int], window: tuple[int, int, int, int], interpolation: Interpolation
) -> Tensor:
    """The `window` (top, left, height, width) of (N, C, H, W) resized to `size` (height, width), antialiased.

    The values are those of `F.interpolate(..., antialias=True)`, to rounding: each side is a product with a matrix of
    the kernel's weights, as in `aten/src/ATen/native/cpu/UpSampleKernel.cpp`.
    """
    top, left, height, width = window
    rows, down = _weights(images.shape[2], size[0], top, height, interpolation)
    columns, across = _weights(images.shape[3], size[1], left, width, interpolation)
    part = images[:, :, rows, columns]
    return down.to(part) @ part @ across.to(part).T


def resize_nearest(images: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, C, H, W) resized to `size` (height, width) by taking the nearest pixel, the later of two that are as near.

    That is "nearest-exact" of `F.interpolate` without its rounding, so that every engine can do the same.
    """
    rows, columns = (
        (2 * torch.arange(new) + 1) * old // (2 * new) for new, old in zip(size, images.shape[2:], strict=True)
    )
    return images[:, :, rows[:, None], columns]


def _weights(length: int, resized: int, start: int, count: int, interpolation: Interpolation) -> tuple[slice, Tensor]:
    """The positions along a side that are needed, and the weights (count, positions) that make new ones of them."""
    scale = length / resized
    reach = RADIUS[interpolation] * max(scale, 1.0)
    centres = (torch.arange(start, start + count, dtype=torch.float64) + 0.5) * scale
    first = int((centres[0] - reach).floor().clamp(min=0))
    last = int((centres[-1] + reach).ceil().clamp(max=length))
    positions = torch.arange(first, last, dtype=torch.float64) + 0.5
    distance = (positions - centres[:, None]) / max(scale, 1.0)
    weights = _triangle(distance) if interpolation == "bilinear" else _cubic(distance)
    return slice(first, last), (weights / weights.sum(dim=1, keepdim=True)).float()


def _triangle(distance: Tensor) -> Tensor:
    return (1 - distance.abs()).clamp(min=0)


def _cubic(distance: Tensor) -> Tensor:
    """Keys 1981 (doi 10.1109/TASSP.1981.1163711), equation 15."""
    x = distance.abs()
    near = ((SHARPNESS + 2) * x - (SHARPNESS + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * SHARPNESS
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
