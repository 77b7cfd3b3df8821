"""The norms that torch.nn lacks."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FixedNorm2d(nn.Module):
    """(x - mean) / sqrt(variance) by channel, with statistics that no training changes."""

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.empty(channels))
        self.register_buffer("variance", torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean[:, None, None]) / self.variance[:, None, None].sqrt()


class AxesLayerNorm(nn.LayerNorm):
    """Layer norm over any axes of (N, ...), counted without the batch: ConvNeXt's over the channels of (N, C, H, W)."""

    def __init__(self, sides: list[int], axes: tuple[int, ...], eps: float) -> None:
        super().__init__(sides, eps)
        self.axes = axes

    def forward(self, input: Tensor) -> Tensor:
        last = tuple(range(-len(self.axes), 0))
        axes = tuple(axis + 1 for axis in self.axes)
        normalised = super().forward(input.movedim(axes, last))
        return normalised.movedim(last, axes)


class AxesRMSNorm(nn.RMSNorm):
    """RMS norm over any axes of (N, ...), counted without the batch."""

    def __init__(self, sides: list[int], axes: tuple[int, ...], eps: float) -> None:
        super().__init__(sides, eps)
        self.axes = axes

    def forward(self, input: Tensor) -> Tensor:
        last = tuple(range(-len(self.axes), 0))
        axes = tuple(axis + 1 for axis in self.axes)
        normalised = super().forward(input.movedim(axes, last))
        return normalised.movedim(last, axes)


class L2Norm(nn.Module):
    """x / max(length, eps), the length taken over axes of (N, ...) counted without the batch."""

    def __init__(self, axes: tuple[int, ...], eps: float) -> None:
        super().__init__()
        self.axes, self.eps = axes, eps

    def forward(self, x: Tensor) -> Tensor:
        axes = tuple(axis + 1 for axis in self.axes)
        length: Tensor = torch.linalg.vector_norm(x, 2, axes, keepdim=True).clamp_min(self.eps)
        return x / length
