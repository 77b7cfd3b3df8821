"""Receptive fields: which input pixels one output position sees, for any branched graph.

Along each axis a position i of a layer sees the input pixels from `start + i * stride` to `end + i * stride`
(Araujo et al. 2019, Computing receptive fields of convolutional neural networks). Branches join by union.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convsmith.cost.positions import COLUMNS, ROWS, Positions, positions_of
from convsmith.network.dims import maximum
from convsmith.network.network import INPUT, Network
from convsmith.network.ops import Window
from convsmith.network.ops.base import UNIT


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


NOTHING = Field(Axis(0, -1), Axis(0, -1))
"""The field of a constant."""


def fields_of(net: Network) -> dict[str, Field]:
    """Receptive field by node name. Layers that read a whole map (flatten, dense) see all that the map sees.

    Statistics that a norm takes over the map are left aside, for they are no matter of place: group and layer norm see
    one position. What does not depend on the image at all sees nothing.
    """
    fields: dict[str, Field] = {INPUT: Field()}
    positions, shapes = positions_of(net), net.shapes
    for node in net.nodes:
        inputs, output = [shapes[source] for source in node.inputs], shapes[node.name]
        own = node.op.windows(output, *inputs) if inputs and len(inputs[0]) == 3 else (UNIT, UNIT)
        joined: Field | None = None
        for index, source in enumerate(node.inputs):
            field = fields[source]
            if field is NOTHING:
                continue
            vertical, horizontal = _windows(own, node.op.whole(index, *inputs), positions[source])
            through = Field(field.height.through(vertical), field.width.through(horizontal))
            joined = through if joined is None else _join(joined, through)
        fields[node.name] = joined or NOTHING
    return fields


def _windows(own: tuple[Window, Window], whole: tuple[int, ...], positions: Positions) -> tuple[Window, Window]:
    """What one output element sees by rows and columns, wherever they are.

    `own` is what the op sees of rows in axis 1 and columns in axis 2, `whole` the axes that it sees as a whole.
    """
    vertical, horizontal = own
    if not positions.rows.isdisjoint(whole):
        vertical = Window(positions.size[0], positions.size[0])
    elif positions.rows != ROWS:
        vertical = UNIT
    if not positions.columns.isdisjoint(whole):
        horizontal = Window(positions.size[1], positions.size[1])
    elif positions.columns != COLUMNS:
        horizontal = UNIT
    return vertical, horizontal


def _join(a: Field, b: Field) -> Field:
    return Field(a.height.joined(b.height), a.width.joined(b.width))
