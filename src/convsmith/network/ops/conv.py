"""Convolutions."""

from __future__ import annotations

from typing import ClassVar

from convsmith.errors import ShapeError
from convsmith.network.dims import Dim, Pair, Shape, always, elements
from convsmith.network.init import HE_FAN_IN, HE_FAN_OUT, ONES, ZEROS, Init
from convsmith.network.ops import window
from convsmith.network.ops.base import Op, Parameter, Saved, Window, feature_map, operation
from convsmith.network.ops.window import NONE, Padding


@operation
class Conv(Op):
    """Convolution; depthwise when `groups` equals the input's channels.

    weight (channels, C / groups, *kernel), bias (channels,).
    """

    kind: ClassVar[str] = "conv"
    saved: ClassVar[Saved] = "inputs"

    channels: Dim
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = NONE
    dilation: Pair = (1, 1)
    groups: Dim = 1
    bias: bool = False
    init: Init = HE_FAN_OUT
    bias_init: Init = ZEROS

    def shape(self, *inputs: Shape) -> Shape:
        channels, height, width = feature_map(inputs[0])
        _check_groups(channels, self.channels, self.groups)
        size = window.slide((height, width), self.kernel, self.stride, self.padding, self.dilation)
        return (self.channels, *size)

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        weight = Parameter("weight", (self.channels, inputs[0][0] // self.groups, *self.kernel), self.init)
        return (weight, Parameter("bias", (self.channels,), self.bias_init)) if self.bias else (weight,)

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return elements(output) * (inputs[0][0] // self.groups) * self.kernel[0] * self.kernel[1]

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return elements(output) if self.bias else 0

    def windows(self, output: Shape, *inputs: Shape) -> tuple[Window, Window]:
        return window.windows((inputs[0][1], inputs[0][2]), self.kernel, self.stride, self.padding, self.dilation)


@operation
class StandardizedConv(Conv):
    """Convolution whose every filter is brought to mean 0 and variance 1 / fan in, then times a trained gain.

    Scaled weight standardisation (Brock et al. 2021, arXiv 2101.08692, eq. 3). gain (channels, 1, 1, 1) is the
    parameter that `Conv` lacks. What it costs does not depend on the images: weights are standardised once.
    """

    kind: ClassVar[str] = "standardized_conv"

    eps: float = 1e-5
    gain_init: Init = ONES

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        return (*Conv.parameters(self, *inputs), Parameter("gain", (self.channels, 1, 1, 1), self.gain_init))


@operation
class ConvTranspose(Op):
    """Transposed convolution: each input position spreads a kernel (U-Net's up-convolution).

    weight (C, channels / groups, *kernel), bias (channels,). `padding` (top, bottom, left, right) is cut off the
    result, `output_padding` adds to its bottom and right:
    output side = (input side - 1) * stride + dilation * (kernel - 1) + 1 - padding of both sides + output_padding.
    """

    kind: ClassVar[str] = "conv_transpose"
    saved: ClassVar[Saved] = "inputs"

    channels: Dim
    kernel: Pair
    stride: Pair
    bias: bool = True
    init: Init = HE_FAN_IN
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    output_padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: Dim = 1

    def shape(self, *inputs: Shape) -> Shape:
        channels, height, width = feature_map(inputs[0])
        if min(*self.kernel, *self.stride, *self.dilation) < 1:
            raise ShapeError(
                f"kernel {self.kernel}, stride {self.stride} and dilation {self.dilation} must be at least 1"
            )
        _check_groups(channels, self.channels, self.groups)
        top, bottom, left, right = self.padding
        if min(*self.padding, *self.output_padding) < 0:
            raise ShapeError(f"padding {self.padding} and output padding {self.output_padding} must not be negative")
        if any(more >= max(s, d) for more, s, d in zip(self.output_padding, self.stride, self.dilation, strict=True)):
            raise ShapeError(f"output padding {self.output_padding} must be smaller than the stride or the dilation")
        return (self.channels, self._side(0, height, top + bottom), self._side(1, width, left + right))

    def _side(self, axis: int, side: Dim, padding: int) -> Dim:
        spread = (side - 1) * self.stride[axis] + self.dilation[axis] * (self.kernel[axis] - 1) + 1
        return spread - padding + self.output_padding[axis]

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        weight = Parameter("weight", (inputs[0][0], self.channels // self.groups, *self.kernel), self.init)
        return (weight, Parameter("bias", (self.channels,), ZEROS)) if self.bias else (weight,)

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return elements(inputs[0]) * (self.channels // self.groups) * self.kernel[0] * self.kernel[1]

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return elements(output) if self.bias else 0

    def windows(self, output: Shape, *inputs: Shape) -> tuple[Window, Window]:
        return self._window(0, self.padding[0]), self._window(1, self.padding[2])

    def _window(self, axis: int, cut: int) -> Window:
        # A fractional stride: neighbouring outputs are 1/stride of an input position apart.
        reach, stride = self.dilation[axis] * (self.kernel[axis] - 1), self.stride[axis]
        return Window(-(-(reach + 1) // stride), 1 / stride, (reach - cut) // stride)


@operation
class TableConv(Op):
    """Convolution in which output map i sees only the input maps `table[i]` (LeCun et al. 1998, table I).

    weight (connections, *kernel) in the table's order, bias (len(table),).
    """

    kind: ClassVar[str] = "table_conv"
    saved: ClassVar[Saved] = "inputs"

    table: tuple[tuple[int, ...], ...]
    kernel: Pair
    init: Init = HE_FAN_IN

    @property
    def connections(self) -> int:
        return sum(len(row) for row in self.table)

    def shape(self, *inputs: Shape) -> Shape:
        channels, height, width = feature_map(inputs[0])
        if not self.table or not all(self.table):
            raise ShapeError("every row of the connection table must name an input map")
        first, last = min(map(min, self.table)), max(map(max, self.table))
        if first < 0 or channels <= last:
            raise ShapeError(f"the connection table names maps {first} to {last} of {channels}")
        return (len(self.table), *window.slide((height, width), self.kernel, (1, 1), NONE))

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        return (
            Parameter("weight", (self.connections, *self.kernel), self.init),
            Parameter("bias", (len(self.table),), ZEROS),
        )

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return self.connections * elements(output[1:]) * self.kernel[0] * self.kernel[1]

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return elements(output)

    def windows(self, output: Shape, *inputs: Shape) -> tuple[Window, Window]:
        return window.windows((inputs[0][1], inputs[0][2]), self.kernel, (1, 1), NONE)


def _check_groups(before: Dim, after: Dim, groups: Dim) -> None:
    if not always(groups > 0):
        raise ShapeError(f"{groups} groups: must be at least 1")
    if not always((before % groups == 0) & (after % groups == 0)):
        raise ShapeError(f"{before} -> {after} channels do not divide into {groups} groups")
