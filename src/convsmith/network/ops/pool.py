"""Pooling and other spatial reductions."""

from __future__ import annotations

from typing import ClassVar, Literal

from convsmith.errors import ShapeError
from convsmith.network.dims import Dim, Pair, Shape, always, check_axes, elements, text
from convsmith.network.ops import window
from convsmith.network.ops.base import Op, Saved, Window, feature_map, operation
from convsmith.network.ops.window import NONE, Padding


@operation
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


@operation
class MaxPool(_Pool):
    """The largest value in each window; padding never wins."""

    kind: ClassVar[str] = "max_pool"
    saved: ClassVar[Saved] = "inputs"

    dilation: Pair = (1, 1)

    def shape(self, *inputs: Shape) -> Shape:
        channels, height, width = feature_map(inputs[0])
        size = window.slide((height, width), self.kernel, self.stride, self.padding, self.dilation, self.ceil)
        return (channels, *size)

    def windows(self, output: Shape, *inputs: Shape) -> tuple[Window, Window]:
        return window.windows((inputs[0][1], inputs[0][2]), self.kernel, self.stride, self.padding, self.dilation)


@operation
class AvgPool(_Pool):
    """The mean of each window, of padding zeros too if `count_padding`."""

    kind: ClassVar[str] = "avg_pool"

    count_padding: bool = False


@operation
class LpPool(_Pool):
    """The p-th root of the sum of p-th powers in each window.

    As in PyTorch, a last, partial window is scaled to a whole one's sum, and powers are of the values themselves: an
    odd `p` needs values that are not negative.
    """

    kind: ClassVar[str] = "lp_pool"
    saved: ClassVar[Saved] = "inputs"

    p: float = 2.0

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return elements(inputs[0]) + elements(output) * (self.kernel[0] * self.kernel[1] + 1)


class _AdaptivePool(Op):
    __slots__ = ()
    size: Pair

    def shape(self, *inputs: Shape) -> Shape:
        return (feature_map(inputs[0])[0], *self.size)

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return 0

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return elements(inputs[0])

    def windows(self, output: Shape, *inputs: Shape) -> tuple[Window, Window]:
        height, width = inputs[0][1:]
        return _cell(height, self.size[0]), _cell(width, self.size[1])


@operation
class AdaptiveAvgPool(_AdaptivePool):
    """Means over a grid of `size` (height, width) cells that covers the map; (1, 1) is global average pooling."""

    kind: ClassVar[str] = "adaptive_avg_pool"

    size: Pair = (1, 1)


@operation
class AdaptiveMaxPool(_AdaptivePool):
    """The largest value of each cell of a grid of `size` (height, width) that covers the map."""

    kind: ClassVar[str] = "adaptive_max_pool"
    saved: ClassVar[Saved] = "inputs"

    size: Pair = (1, 1)


def _cell(size: Dim, cells: int) -> Window:
    return Window(-(-size // cells), size // cells if always(size % cells == 0) else size / cells)


@operation
class Reduce(Op):
    """One number for all elements along `axes`, counted from 0 without the batch; `keep` leaves these axes at 1.

    Over (1, 2) of a feature map it is global pooling, with `keep` or to a vector; over (0,) it is a map of what all
    channels have at a position, as spatial attention takes it. `l2` is the root of the sum of squares.
    """

    kind: ClassVar[str] = "reduce"

    function: Literal["mean", "sum", "max", "min", "l2"]
    axes: tuple[int, ...] = (1, 2)
    keep: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        check_axes(self.axes, inputs[0])
        if not self.keep and len(self.axes) == len(inputs[0]):
            raise ShapeError(f"nothing is left of {text(inputs[0])} without the axes {self.axes}: keep them")
        sides = [1 if axis in self.axes else side for axis, side in enumerate(inputs[0])]
        return tuple(side for axis, side in enumerate(sides) if self.keep or axis not in self.axes)

    def kept(self) -> Saved:
        return "nothing" if self.function in ("mean", "sum") else "inputs"

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return 0

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return (2 if self.function == "l2" else 1) * elements(inputs[0])

    def whole(self, index: int, *inputs: Shape) -> tuple[int, ...]:
        return self.axes
