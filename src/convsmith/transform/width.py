"""The width multiplier, for any network."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch
from typing import Any

from convsmith.errors import UsageError
from convsmith.network import ops
from convsmith.network.dims import Shape, divisible
from convsmith.network.network import INPUT, Network, Node, infer
from convsmith.network.origin import Origin


def scale_width(net: Network, factor: float) -> Network:
    """The same network with every layer's channels multiplied by `factor`, except the output's.

    Channels are rounded to a multiple of 8 (of a smaller power of two where the original is not a multiple of 8), as
    MobileNet's width multiplier does (Howard et al. 2017, section 3.3). Equal widths stay equal, so that residual sums
    still fit; depthwise layers follow their input. Connection tables keep their maps.

    Raises UsageError for a factor that is not positive, ShapeError where the scaled layers do not fit.
    """
    if factor <= 0:
        raise UsageError(f"width multiplier {factor} must be above 0")
    if factor == 1:
        return net
    fixed = {net.output, *(head.node for head in net.auxiliary)}
    shapes: dict[str, Shape] = {INPUT: net.input}
    nodes = []
    for node in net.nodes:
        before = net.inputs_of(node)[0][0]
        after = shapes[node.inputs[0]][0]
        op = node.op if node.name in fixed else widen(node.op, before, after, factor)
        nodes.append(Node(node.name, op, node.inputs, node.shares))
        shapes[node.name] = infer(node.name, op, [shapes[source] for source in node.inputs])
    return replace(net, nodes=tuple(nodes), origin=_origin(net.origin, factor))


def _origin(origin: Origin | None, factor: float) -> Origin | None:
    """Still of the same family, but no longer what its name says: its width was multiplied, perhaps more than once."""
    if origin is None:
        return None
    before = origin.setting(scale_width.__name__)
    return origin.with_setting(scale_width.__name__, factor * (before if isinstance(before, int | float) else 1))


def scaled(channels: int, factor: float) -> int:
    """A layer's new width."""
    divisor = next(d for d in (8, 4, 2, 1) if channels % d == 0)
    return int(divisible(channels * factor, divisor))


@singledispatch
def widen(op: ops.Op, before: int, after: int, factor: float) -> ops.Op:
    """The op at the new width; its first input had `before` channels and now has `after`."""
    return op


@widen.register
def _(op: ops.Conv, before: int, after: int, factor: float) -> ops.Op:
    if op.groups == before and op.groups > 1:
        return replace(op, channels=op.channels // before * after, groups=after)
    channels = scaled(op.channels, factor)
    return replace(op, channels=max(1, round(channels / op.groups)) * op.groups)


@widen.register(ops.ConvTranspose)
def _(op: ops.ConvTranspose, before: int, after: int, factor: float) -> ops.Op:
    return replace(op, channels=scaled(op.channels, factor))


@widen.register
def _(op: ops.Linear, before: int, after: int, factor: float) -> ops.Op:
    return replace(op, features=scaled(op.features, factor))


@widen.register
def _(op: ops.Slice, before: int, after: int, factor: float) -> ops.Op:
    return replace(op, start=op.start * after // before, stop=op.stop * after // before)


@widen.register
def _(op: ops.Pad, before: int, after: int, factor: float) -> ops.Op:
    extra: Any = sum(op.channels)
    if not extra:
        return op
    new = scaled(before + extra, factor) - after
    return replace(op, channels=(new // 2, new - new // 2))
