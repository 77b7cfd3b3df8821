"""Which axes of a shape hold the image's rows and columns, however a network moves them about.

A feature map (C, H, W) has its rows in axis 1 and its columns in axis 2; permuted to (H, W, C) they are in 0 and 1;
flattened to (C, H * W) both are in axis 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce, singledispatch

from convsmith.network import ops
from convsmith.network.dims import Dim, Shape, always, blocks, equal
from convsmith.network.network import INPUT, Network

Axes = frozenset[int]
NONE: Axes = frozenset()
ROWS: Axes = frozenset((1,))
COLUMNS: Axes = frozenset((2,))


@dataclass(frozen=True, slots=True)
class Positions:
    """Axes that hold rows and columns: none where every element has seen the whole height or width."""

    rows: Axes = ROWS
    columns: Axes = COLUMNS
    size: tuple[Dim, Dim] = (1, 1)
    """(height, width) of the map that the positions belong to."""

    @property
    def axes(self) -> Axes:
        return self.rows | self.columns

    def joined(self, other: Positions) -> Positions:
        if other is self or not self.axes:
            return other
        return Positions(self.rows | other.rows, self.columns | other.columns, self.size)


NOWHERE = Positions(NONE, NONE)


def positions_of(net: Network) -> dict[str, Positions]:
    """Positions by node name. Constants have none."""
    known = {INPUT: Positions(size=(net.input[1], net.input[2])) if len(net.input) == 3 else NOWHERE}
    shapes = net.shapes
    for node in net.nodes:
        inputs, output = [shapes[source] for source in node.inputs], shapes[node.name]
        each = [_after(node.op, index, known[source], inputs, output) for index, source in enumerate(node.inputs)]
        joined = reduce(Positions.joined, each, NOWHERE)
        if len(output) == 3 and joined.rows <= ROWS and joined.columns <= COLUMNS:
            height, width = joined.size
            if output[1] is not height or output[2] is not width:
                joined = Positions(joined.rows, joined.columns, (output[1], output[2]))
        known[node.name] = joined
    return known


def _after(op: ops.Op, index: int, positions: Positions, shapes: list[Shape], output: Shape) -> Positions:
    """What the op makes of the positions of one input. What an output sees as a whole has no positions any more."""
    seen = set(op.whole(index, *shapes))
    if not seen and type(op) not in MOVERS and len(shapes[index]) == len(output):
        return positions
    rows = NONE if seen & positions.rows else moved(op, positions.rows, index, shapes, output)
    columns = NONE if seen & positions.columns else moved(op, positions.columns, index, shapes, output)
    if len(rows) == 2 and rows == columns and equal(tuple(output[axis] for axis in sorted(rows)), positions.size):
        first, second = sorted(rows)  # H * W is unfolded to H and W again
        rows, columns = frozenset((first,)), frozenset((second,))
    return Positions(rows, columns, positions.size)


@singledispatch
def moved(op: ops.Op, axes: Axes, index: int, shapes: list[Shape], output: Shape) -> Axes:
    """Where these axes of input `index` are in the output: the same places unless the op moves them."""
    return axes if len(shapes[index]) == len(output) else NONE


@moved.register
def _(op: ops.Permute, axes: Axes, index: int, shapes: list[Shape], output: Shape) -> Axes:
    return frozenset(place for place, axis in enumerate(op.axes) if axis in axes)


@moved.register
def _(op: ops.Reduce, axes: Axes, index: int, shapes: list[Shape], output: Shape) -> Axes:
    if op.keep:
        return axes
    return frozenset(axis - sum(gone < axis for gone in op.axes) for axis in axes)


@moved.register(ops.Flatten)
@moved.register(ops.Reshape)
def _(op: ops.Op, axes: Axes, index: int, shapes: list[Shape], output: Shape) -> Axes:
    # A side of 1 holds no positions, unless there is nothing else in its block that could.
    places: set[int] = set()
    for before, after in blocks(shapes[0], output):
        if axes.intersection(before):
            places.update([axis for axis in after if not always(output[axis] == 1)] or after)
    return frozenset(places)


@moved.register
def _(op: ops.MatMul, axes: Axes, index: int, shapes: list[Shape], output: Shape) -> Axes:
    last = len(output) - 1
    return frozenset(axis for axis in axes if axis != last - index)


MOVERS = frozenset(moved.registry) - {object}
"""Ops with a rule of their own."""
