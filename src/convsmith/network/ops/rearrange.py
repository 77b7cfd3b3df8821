"""Ops that move, drop, repeat or add elements, and compute nothing."""

from __future__ import annotations

from typing import ClassVar, Literal

from convsmith.errors import ShapeError
from convsmith.network import dims
from convsmith.network.dims import Dim, Shape
from convsmith.network.ops.base import UNIT, Rearrangement, Window, feature_map, operation


@operation
class Flatten(Rearrangement):
    """The axes from `start` on as one: (C, H, W) -> (C * H * W,), channels slowest."""

    kind: ClassVar[str] = "flatten"

    start: int = 0

    def shape(self, *inputs: Shape) -> Shape:
        dims.check_axes((self.start,), inputs[0])
        return (*inputs[0][: self.start], dims.elements(inputs[0][self.start :]))

    def whole(self, index: int, *inputs: Shape) -> tuple[int, ...]:
        return () if self.start else tuple(range(1, len(inputs[0])))


@operation
class Reshape(Rearrangement):
    """The same elements in the same order, as another shape; one side may be -1: what is left."""

    kind: ClassVar[str] = "reshape"

    size: tuple[Dim, ...]

    def shape(self, *inputs: Shape) -> Shape:
        count = dims.elements(inputs[0])
        free = [i for i, side in enumerate(self.size) if isinstance(side, int) and side == -1]
        known = dims.elements(tuple(side for i, side in enumerate(self.size) if i not in free))
        fits = bool(self.size) and len(free) <= 1 and dims.always(known > 0)
        if not fits or not dims.always(count % known == 0 if free else count == known):
            raise ShapeError(f"cannot reshape {dims.text(inputs[0])} to {dims.text(self.size)}")
        return tuple(count // known if i in free else side for i, side in enumerate(self.size))


@operation
class Permute(Rearrangement):
    """The axes in another order, counted from 0 without the batch: (1, 2, 0) makes (H, W, C) of a feature map."""

    kind: ClassVar[str] = "permute"

    axes: tuple[int, ...]

    def shape(self, *inputs: Shape) -> Shape:
        if sorted(self.axes) != list(range(len(inputs[0]))):
            raise ShapeError(f"cannot permute {dims.text(inputs[0])} by {self.axes}: each axis must be named once")
        return tuple(inputs[0][axis] for axis in self.axes)


@operation
class Expand(Rearrangement):
    """Sides of 1 repeated up to `size`."""

    kind: ClassVar[str] = "expand"

    size: tuple[Dim, ...]

    def shape(self, *inputs: Shape) -> Shape:
        whole = dims.broadcast(inputs[0], self.size)
        if whole is None or not dims.equal(whole, self.size):
            raise ShapeError(f"cannot expand {dims.text(inputs[0])} to {dims.text(self.size)}")
        return whole


@operation
class Repeat(Rearrangement):
    """The whole input again and again along each axis: a grey image as three equal channels."""

    kind: ClassVar[str] = "repeat"

    times: tuple[int, ...]

    def shape(self, *inputs: Shape) -> Shape:
        if len(self.times) != len(inputs[0]) or min(self.times) < 1:
            raise ShapeError(f"cannot repeat {dims.text(inputs[0])} {self.times} times: needs a number for each axis")
        return tuple(side * times for side, times in zip(inputs[0], self.times, strict=True))


@operation
class Slice(Rearrangement):
    """What lies from `start` up to, not including, `stop` along an axis, every `step`-th; axis 0 is channels."""

    kind: ClassVar[str] = "slice"

    start: Dim
    stop: Dim
    axis: int = 0
    step: int = 1

    def shape(self, *inputs: Shape) -> Shape:
        dims.check_axes((self.axis,), inputs[0])
        side = inputs[0][self.axis]
        if self.step < 1:
            raise ShapeError(f"step {self.step} must be at least 1")
        if not dims.always((self.start >= 0) & (self.start < self.stop) & (self.stop <= side)):
            where = "channels" if self.axis == 0 else f"positions of axis {self.axis},"
            raise ShapeError(f"no {where} {self.start} to {self.stop} in {dims.text(inputs[0])}")
        length = (self.stop - self.start + self.step - 1) // self.step
        return (*inputs[0][: self.axis], length, *inputs[0][self.axis + 1 :])

    def windows(self, output: Shape, *inputs: Shape) -> tuple[Window, Window]:
        part = Window(1, self.step, -self.start)
        return part if self.axis == 1 else UNIT, part if self.axis == 2 else UNIT


@operation
class ChannelShuffle(Rearrangement):
    """Channel g * n + i moves to i * groups + g, so that groups mix (ShuffleNet)."""

    kind: ClassVar[str] = "channel_shuffle"

    groups: int

    def shape(self, *inputs: Shape) -> Shape:
        if self.groups < 1 or not dims.always(feature_map(inputs[0])[0] % self.groups == 0):
            raise ShapeError(f"{inputs[0][0]} channels do not divide into {self.groups} groups")
        return inputs[0]


@operation
class Pad(Rearrangement):
    """More rows and columns at (top, bottom, left, right), and further `channels`; negative numbers cut away.

    `constant` adds `value`, `reflect` mirrors without the edge itself, `replicate` repeats the edge, `circular` goes on
    at the other side. Only `constant` cuts, and adds channels.
    """

    kind: ClassVar[str] = "pad"

    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    channels: tuple[Dim, Dim] = (0, 0)
    """Maps put before and after the input's (the parameter-free shortcut A of He et al. 2015)."""
    mode: Literal["constant", "reflect", "replicate", "circular"] = "constant"
    value: float = 0.0

    def shape(self, *inputs: Shape) -> Shape:
        channels, height, width = feature_map(inputs[0])
        top, bottom, left, right = self.padding
        size = (height + top + bottom, width + left + right)
        if not dims.always((size[0] > 0) & (size[1] > 0)):
            raise ShapeError(f"nothing is left of {dims.text(inputs[0])} after padding by {self.padding}")
        if self.mode != "constant":
            self._check_mirror(height, width)
        return (channels + self.channels[0] + self.channels[1], *size)

    def _check_mirror(self, height: Dim, width: Dim) -> None:
        top, bottom, left, right = self.padding
        if min(self.padding) < 0 or self.channels != (0, 0):
            raise ShapeError(f"{self.mode} padding neither cuts nor adds channels")
        edge = self.mode == "reflect"
        vertical, horizontal = max(top, bottom) + edge, max(left, right) + edge
        if self.mode != "replicate" and not dims.always((vertical <= height) & (horizontal <= width)):
            raise ShapeError(f"{height}x{width} is too small for {self.mode} padding by {self.padding}")

    def windows(self, output: Shape, *inputs: Shape) -> tuple[Window, Window]:
        return Window(before=self.padding[0]), Window(before=self.padding[2])


@operation
class PixelShuffle(Rearrangement):
    """(C * f * f, H, W) -> (C, H * f, W * f): channels become positions (Shi et al. 2016)."""

    kind: ClassVar[str] = "pixel_shuffle"

    factor: int

    def shape(self, *inputs: Shape) -> Shape:
        channels, height, width = feature_map(inputs[0])
        area = self.factor * self.factor
        if self.factor < 1 or not dims.always(channels % area == 0):
            raise ShapeError(f"{channels} channels do not divide into {area} positions")
        return (channels // area, height * self.factor, width * self.factor)

    def windows(self, output: Shape, *inputs: Shape) -> tuple[Window, Window]:
        return Window(1, 1 / self.factor), Window(1, 1 / self.factor)


@operation
class PixelUnshuffle(Rearrangement):
    """(C, H * f, W * f) -> (C * f * f, H, W): positions become channels (space to depth)."""

    kind: ClassVar[str] = "pixel_unshuffle"

    factor: int

    def shape(self, *inputs: Shape) -> Shape:
        channels, height, width = feature_map(inputs[0])
        f = self.factor
        if f < 1 or not dims.always((height % f == 0) & (width % f == 0)):
            raise ShapeError(f"{height}x{width} does not divide into squares of {f}")
        return (channels * f * f, height // f, width // f)

    def windows(self, output: Shape, *inputs: Shape) -> tuple[Window, Window]:
        return Window(self.factor, self.factor), Window(self.factor, self.factor)
