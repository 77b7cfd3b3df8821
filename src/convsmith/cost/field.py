"""Receptive fields: which input pixels one output position sees, for any branched graph.

Along each axis a position i of a layer sees the input pixels from `start + i * stride` to `end + i * stride`
(Araujo et al. 2019, Computing receptive fields of convolutional neural networks). Branches join by union.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convsmith.network.dims import maximum
from convsmith.network.network import INPUT, Network
from convsmith.network.ops import Flatten, Linear, RadialBasis, Window


@dataclass(frozen=True, slots=True)
class Axis:
    """Geometry along one axis: the pixels that position 0 sees, inclusive, and the step to the next position."""

    start: Any = 0
    end: Any = 0
    stride: Any = 1

    @property
    def size(self) -> Any:
        return self.end - self.start + 1

    @property
    def centre(self) -> Any:
        return (self.start + self.end) / 2

    def through(self, window: Window) -> Axis:
        start = self.start - window.before * self.stride
        if isinstance(window.stride, float) and window.stride < 1:  # several outputs for each input position
            return Axis(start, self.end, self.stride * window.stride)
        return Axis(start, self.end + (window.extent - 1 - window.before) * self.stride, self.stride * window.stride)

    def joined(self, other: Axis) -> Axis:
        start = -maximum(-self.start, -other.start)
        return Axis(start, maximum(self.end, other.end), -maximum(-self.stride, -other.stride))


@dataclass(frozen=True, slots=True)
class Field:
    """Receptive field of a layer, in input pixels. It may reach beyond the image: padding is part of it."""

    height: Axis = Axis()
    width: Axis = Axis()

    @property
    def size(self) -> tuple[Any, Any]:
        """(height, width) of the region."""
        return self.height.size, self.width.size

    @property
    def stride(self) -> tuple[Any, Any]:
        """Input pixels between neighbouring positions."""
        return self.height.stride, self.width.stride

    @property
    def centre(self) -> tuple[Any, Any]:
        """Centre of the first position's region."""
        return self.height.centre, self.width.centre


def fields_of(net: Network) -> dict[str, Field]:
    """Receptive field by node name. Layers that read a whole map (flatten, dense) see all that the map sees."""
    fields: dict[str, Field] = {INPUT: Field()}
    for node in net.nodes:
        inputs = net.inputs_of(node)
        vertical, horizontal = node.op.windows(net.shapes[node.name], *inputs)
        if isinstance(node.op, (Flatten, Linear, RadialBasis)) and len(inputs[0]) == 3:
            vertical, horizontal = Window(inputs[0][1]), Window(inputs[0][2])
        joined: Field | None = None
        for source in node.inputs:
            field = fields[source]
            through = Field(field.height.through(vertical), field.width.through(horizontal))
            joined = through if joined is None else _join(joined, through)
        fields[node.name] = joined or Field()
    return fields


def _join(a: Field, b: Field) -> Field:
    return Field(a.height.joined(b.height), a.width.joined(b.width))
