"""The network without some of its channels."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import singledispatch
from typing import NamedTuple

from convsmith.network import ops
from convsmith.network.dims import Shape
from convsmith.network.network import Network, Node
from convsmith.transform.channels.channels import Channels, Units
from convsmith.transform.channels.follow import whole_groups


class Cut(NamedTuple):
    """What is left of a node's first input and of its output: True for each index along an axis, None for positions."""

    before: tuple[tuple[bool, ...] | None, ...]
    after: tuple[tuple[bool, ...] | None, ...]
    shape: Shape
    """Of the output before the cut."""

    def side(self, axis: int) -> int:
        """The output's new length along an axis."""
        left = self.after[axis]
        return int(self.shape[axis]) if left is None else sum(left)


def without(channels: Channels, removed: Collection[int]) -> Network:
    """The network without these units: an ordinary one, its parameters the ones that `Channels.slots` leave.

    What is stored in few bits and cut is stored in float32: its scales are no longer of its shape. The caller sees to
    it that something is left of each of `channels.spans`. Raises ShapeError otherwise.
    """
    net, gone = channels.network, frozenset(removed)
    if not gone:
        return net
    left: dict[int, tuple[bool, ...]] = {}

    def kept(units: Units | None) -> tuple[bool, ...] | None:
        if units is None:
            return None
        if id(units) not in left:
            left[id(units)] = tuple(unit not in gone for unit in units)
        return left[id(units)]

    maps = {name: tuple(map(kept, axes)) for name, axes in channels.maps.items()}
    nodes = tuple(_narrowed(net, node, maps) for node in net)
    changed = {slot.parameter for slot in channels.slots if not gone.isdisjoint(slot.units)}
    storage = tuple(stored for stored in net.storage if stored.parameter not in changed)
    origin = net.origin and net.origin.with_setting("channels_cut", len(gone))
    return replace(net, nodes=nodes, storage=storage, origin=origin)


def _narrowed(net: Network, node: Node, maps: dict[str, tuple[tuple[bool, ...] | None, ...]]) -> Node:
    before = maps[node.inputs[0]] if node.inputs else ()
    op = narrow(node.op, Cut(before, maps[node.name], net.shapes[node.name]))
    return node if op is node.op else replace(node, op=op)


@singledispatch
def narrow(op: ops.Op, cut: Cut) -> ops.Op:
    """The op for what is left. Most ops do not say how many channels they have."""
    return op


@narrow.register(ops.Conv)
@narrow.register(ops.ConvTranspose)
def _(op: ops.Conv | ops.ConvTranspose, cut: Cut) -> ops.Op:
    channels, before = cut.side(0), cut.before[0] or ()
    if not whole_groups(op, len(before)):
        return replace(op, channels=channels)
    return replace(op, channels=channels, groups=channels // (op.channels // op.groups))


@narrow.register
def _(op: ops.TableConv, cut: Cut) -> ops.Op:
    before, after = cut.before[0] or (), cut.after[0] or ()
    numbers = {j: sum(before[:j]) for j, left in enumerate(before) if left}
    rows = (row for row, left in zip(op.table, after, strict=True) if left)
    return replace(op, table=tuple(tuple(numbers[j] for j in row if j in numbers) for row in rows))


@narrow.register
def _(op: ops.Linear, cut: Cut) -> ops.Op:
    return replace(op, features=cut.side(len(cut.shape) - 1))


@narrow.register
def _(op: ops.GroupNorm, cut: Cut) -> ops.Op:
    return replace(op, groups=cut.side(0) * op.groups // cut.shape[0])


@narrow.register(ops.Constant)
@narrow.register(ops.Expand)
def _(op: ops.Constant | ops.Expand, cut: Cut) -> ops.Op:
    return replace(op, size=tuple(cut.side(axis) for axis in range(len(op.size))))


@narrow.register
def _(op: ops.Reshape, cut: Cut) -> ops.Op:
    return replace(op, size=tuple(side if side == -1 else cut.side(axis) for axis, side in enumerate(op.size)))


@narrow.register
def _(op: ops.Slice, cut: Cut) -> ops.Op:
    before = cut.before[op.axis]
    if before is None:
        return op
    offset = op.start % op.step
    start = sum(before[: op.start - offset]) + offset
    return replace(op, start=start, stop=start + (cut.side(op.axis) - 1) * op.step + 1)


@narrow.register
def _(op: ops.Pad, cut: Cut) -> ops.Op:
    if op.channels == (0, 0):
        return op
    front, back = op.channels
    before, after = cut.before[0] or (), cut.after[0] or ()
    return replace(
        op,
        channels=(
            sum(after[:front]) if front >= 0 else -sum(before[:-front]),
            (sum(after[len(after) - back :]) if back >= 0 else -sum(before[back:])),
        ),
    )
