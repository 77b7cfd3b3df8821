"""Ops that join branches or take a part of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from convsmith.errors import ShapeError
from convsmith.network import dims
from convsmith.network.dims import Dim, Pair, Shape
from convsmith.network.ops.base import Elementwise, Rearrangement, Saved, Window, feature_map


@dataclass(frozen=True, slots=True)
class Add(Elementwise):
    """The sum of branches of one shape."""

    kind: ClassVar[str] = "add"
    arity: ClassVar[int | None] = None

    def shape(self, *inputs: Shape) -> Shape:
        for other in inputs[1:]:
            if not dims.equal(inputs[0], other):
                raise ShapeError(f"cannot add {dims.text(inputs[0])} and {dims.text(other)}")
        return inputs[0]

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return (len(inputs) - 1) * dims.elements(output)


@dataclass(frozen=True, slots=True)
class Multiply(Elementwise):
    """A feature map times a weight for each channel, (C, 1, 1) (squeeze-and-excitation), or for each element."""

    kind: ClassVar[str] = "multiply"
    arity: ClassVar[int | None] = 2
    saved: ClassVar[Saved] = "inputs"

    def shape(self, *inputs: Shape) -> Shape:
        first, second = inputs
        if dims.equal(first, second) or (dims.equal(first[:1], second[:1]) and second[1:] == (1, 1)):
            return first
        raise ShapeError(f"cannot multiply {dims.text(first)} by {dims.text(second)}")


@dataclass(frozen=True, slots=True)
class Concat(Rearrangement):
    """Channels of the branches, one after the other."""

    kind: ClassVar[str] = "concat"
    arity: ClassVar[int | None] = None

    def shape(self, *inputs: Shape) -> Shape:
        channels: Dim = 0
        for shape in inputs:
            if len(shape) != len(inputs[0]) or not dims.equal(shape[1:], inputs[0][1:]):
                raise ShapeError(f"cannot concatenate {' and '.join(dims.text(s) for s in inputs)}: sizes differ")
            channels = channels + shape[0]
        return (channels, *inputs[0][1:])


@dataclass(frozen=True, slots=True)
class Slice(Rearrangement):
    """Channels from `start` up to, not including, `stop`."""

    kind: ClassVar[str] = "slice"

    start: Dim
    stop: Dim

    def shape(self, *inputs: Shape) -> Shape:
        channels = inputs[0][0]
        if not dims.always((self.start >= 0) & (self.start < self.stop) & (self.stop <= channels)):
            raise ShapeError(f"no channels {self.start} to {self.stop} in {dims.text(inputs[0])}")
        return (self.stop - self.start, *inputs[0][1:])


@dataclass(frozen=True, slots=True)
class ChannelShuffle(Rearrangement):
    """Channel g * n + i moves to i * groups + g, so that groups mix (ShuffleNet)."""

    kind: ClassVar[str] = "channel_shuffle"

    groups: int

    def shape(self, *inputs: Shape) -> Shape:
        if self.groups < 1 or not dims.always(feature_map(inputs[0])[0] % self.groups == 0):
            raise ShapeError(f"{inputs[0][0]} channels do not divide into {self.groups} groups")
        return inputs[0]


@dataclass(frozen=True, slots=True)
class Pad(Rearrangement):
    """Zeros added at (top, bottom, left, right), and as further `channels`; negative numbers cut away."""

    kind: ClassVar[str] = "pad"

    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    channels: tuple[Dim, Dim] = (0, 0)
    """Zero maps put before and after the input's (the parameter-free shortcut A of He et al. 2015)."""

    def shape(self, *inputs: Shape) -> Shape:
        channels, height, width = feature_map(inputs[0])
        top, bottom, left, right = self.padding
        size = (height + top + bottom, width + left + right)
        if not dims.always((size[0] > 0) & (size[1] > 0)):
            raise ShapeError(f"nothing is left of {dims.text(inputs[0])} after padding by {self.padding}")
        return (channels + self.channels[0] + self.channels[1], *size)

    def windows(self, output: Shape, *inputs: Shape) -> tuple[Window, Window]:
        return Window(before=self.padding[0]), Window(before=self.padding[2])


@dataclass(frozen=True, slots=True)
class Upsample(Rearrangement):
    """Each position repeated `factor` (vertical, horizontal) times: nearest-neighbour enlargement."""

    kind: ClassVar[str] = "upsample"

    factor: Pair = (2, 2)

    def shape(self, *inputs: Shape) -> Shape:
        channels, height, width = feature_map(inputs[0])
        return (channels, height * self.factor[0], width * self.factor[1])

    def windows(self, output: Shape, *inputs: Shape) -> tuple[Window, Window]:
        return Window(1, 1 / self.factor[0]), Window(1, 1 / self.factor[1])
