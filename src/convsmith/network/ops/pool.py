"""Pooling and other spatial reductions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from convsmith.network.dims import Dim, Pair, Shape, always, elements
from convsmith.network.ops import window
from convsmith.network.ops.base import Op, Saved, Window, feature_map
from convsmith.network.ops.window import NONE, Padding


@dataclass(frozen=True, slots=True)
class _Pool(Op):
    kernel: Pair
    stride: Pair
    padding: Padding = NONE
    ceil: bool = False
    """Keep a last, partial window (Caffe's rounding)."""

    def shape(self, *inputs: Shape) -> Shape:
        channels, height, width = feature_map(inputs[0])
        return (channels, *window.slide((height, width), self.kernel, self.stride, self.padding, ceil=self.ceil))

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return 0

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return elements(output) * self.kernel[0] * self.kernel[1]

    def windows(self, output: Shape, *inputs: Shape) -> tuple[Window, Window]:
        return window.windows((inputs[0][1], inputs[0][2]), self.kernel, self.stride, self.padding)


@dataclass(frozen=True, slots=True)
class MaxPool(_Pool):
    """The largest value in each window; padding never wins."""

    kind: ClassVar[str] = "max_pool"
    saved: ClassVar[Saved] = "inputs"


@dataclass(frozen=True, slots=True)
class AvgPool(_Pool):
    """The mean of each window, of padding zeros too if `count_padding`."""

    kind: ClassVar[str] = "avg_pool"

    count_padding: bool = False


@dataclass(frozen=True, slots=True)
class AdaptiveAvgPool(Op):
    """Means over a grid of `size` (height, width) cells that covers the map; (1, 1) is global average pooling."""

    kind: ClassVar[str] = "adaptive_avg_pool"

    size: Pair = (1, 1)

    def shape(self, *inputs: Shape) -> Shape:
        return (feature_map(inputs[0])[0], *self.size)

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return 0

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return elements(inputs[0])

    def windows(self, output: Shape, *inputs: Shape) -> tuple[Window, Window]:
        height, width = inputs[0][1:]
        return _cell(height, self.size[0]), _cell(width, self.size[1])


def _cell(size: Dim, cells: int) -> Window:
    return Window(-(-size // cells), size // cells if always(size % cells == 0) else size / cells)
