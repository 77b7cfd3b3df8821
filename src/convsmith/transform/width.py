"""The width multiplier, for any network."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch
from math import gcd
from typing import Any

from convsmith.errors import UsageError
from convsmith.network import ops
from convsmith.network.dims import Dim, Shape, always, blocks, divisible, elements
from convsmith.network.network import INPUT, Network, Node, infer
from convsmith.network.origin import Origin
from convsmith.transform.part import classifier_of
from convsmith.transform.width_rules import Factor, Layer, rules_of, scaled


def scale_width(net: Network, factor: Factor) -> Network:
    """The same network with every layer's channels multiplied by `factor`, except the output's.

    Channels are rounded to a multiple of 8 (of a smaller power of two where the original is not a multiple of 8), as
    MobileNet's width multiplier does (Howard et al. 2017, section 3.3), never below 90% of the product. Equal widths
    stay equal, so that residual sums still fit; depthwise layers and constants follow what they are applied to; what
    MobileNet-V2 expands stays as many times its input, squeeze-and-excitation keeps its reduction, and what grouped
    convolutions read is a multiple of their groups. Connection tables keep their maps, and dense layers over rows or
    columns their size.

    With an array of factors the network has arrays as sizes, as `cost_of` and `totals_of` take them.

    Raises UsageError for a factor that is not positive, ShapeError where the scaled layers do not fit.
    """
    if not always(factor > 0):
        raise UsageError(f"width multiplier {factor} must be above 0")
    if always(factor == 1):
        return net
    fixed = {_classifier(net, name) for name in (net.output, *(head.node for head in net.auxiliary))}
    rules = rules_of(net)
    shapes: dict[str, Shape] = {INPUT: net.input}
    nodes: dict[str, Node] = {}
    for node in net.nodes:
        op = node.op
        if node.inputs:
            _fit_constants(net, node, nodes, shapes)
            if node.name in rules and isinstance(op, Layer):
                op = rules[node.name].applied(op, shapes[node.inputs[0]][0], shapes, factor)
            elif node.name not in fixed:
                op = widen(op, net.inputs_of(node)[0], shapes[node.inputs[0]], factor)
        nodes[node.name] = Node(node.name, op, node.inputs, node.shares)
        shapes[node.name] = infer(node.name, op, [shapes[source] for source in node.inputs])
    return replace(net, nodes=tuple(nodes.values()), origin=_origin(net.origin, factor))


def _classifier(net: Network, output: str) -> str:
    """The layer that decides how long an output is: SqueezeNet's last convolution stands before the pooling."""
    try:
        return classifier_of(net, output).name
    except UsageError:
        return output


def _fit_constants(net: Network, node: Node, nodes: dict[str, Node], shapes: dict[str, Shape]) -> None:
    """Brings the constants that a node reads to the new sides of what it reads beside them."""
    for name in node.inputs:
        others = [source for source in node.inputs if source != name]
        if name == INPUT or not isinstance(net[name].op, ops.Constant) or not others:
            continue
        before, after, size = net.shapes[others[0]], shapes[others[0]], net.shapes[name]
        if len(before) == len(size):
            fitted = tuple(new if side == old else side for side, old, new in zip(size, before, after, strict=True))
            nodes[name] = replace(nodes[name], op=replace(net[name].op, size=fitted))  # type: ignore[call-arg]
            shapes[name] = fitted


def _origin(origin: Origin | None, factor: Factor) -> Origin | None:
    """Still of the same family, but no longer what its name says: its width was multiplied, perhaps more than once.

    Candidates of many widths have no one origin.
    """
    if origin is None or not isinstance(factor, int | float):
        return None
    before = origin.setting(scale_width.__name__)
    return origin.with_setting(scale_width.__name__, factor * (before if isinstance(before, int | float) else 1))


@singledispatch
def widen(op: ops.Op, before: Shape, after: Shape, factor: Factor) -> ops.Op:
    """The op at the new width; its first input had the shape `before` and now has `after`."""
    return op


@widen.register
def _(op: ops.Conv, before: Shape, after: Shape, factor: Factor) -> ops.Op:
    channels, groups = _convolution(op, before[0], after[0], factor)
    return replace(op, channels=channels, groups=groups)


@widen.register
def _(op: ops.ConvTranspose, before: Shape, after: Shape, factor: Factor) -> ops.Op:
    channels, groups = _convolution(op, before[0], after[0], factor)
    return replace(op, channels=channels, groups=groups)


def _convolution(op: ops.Conv | ops.ConvTranspose, before: Dim, after: Dim, factor: Factor) -> tuple[Dim, Dim]:
    """(channels, groups): depthwise layers follow their input, others keep their groups."""
    if op.groups == before and op.groups > 1:
        return op.channels // before * after, after
    wanted = scaled(op.channels, factor)
    return wanted if op.groups == 1 else divisible(wanted, op.groups), op.groups


@widen.register
def _(op: ops.Linear, before: Shape, after: Shape, factor: Factor) -> ops.Op:
    # Over an axis that kept its length, it mixes positions and not channels.
    mixes_positions = len(before) > 1 and before[-1] == after[-1]
    return op if mixes_positions else replace(op, features=scaled(op.features, factor))


@widen.register
def _(op: ops.GroupNorm, before: Shape, after: Shape, factor: Factor) -> ops.Op:
    # As many groups as divide the new channels; a group for each channel stays one.
    return replace(op, groups=after[0] if op.groups == before[0] else gcd(op.groups, after[0]))


@widen.register
def _(op: ops.Slice, before: Shape, after: Shape, factor: Factor) -> ops.Op:
    old, new = before[op.axis], after[op.axis]
    return replace(op, start=op.start * new // old, stop=op.stop * new // old)


@widen.register
def _(op: ops.Pad, before: Shape, after: Shape, factor: Factor) -> ops.Op:
    extra: Any = sum(op.channels)
    if not extra:
        return op
    new = scaled(before[0] + extra, factor) - after[0]
    return replace(op, channels=(new // 2, new - new // 2))


@widen.register
def _(op: ops.Expand, before: Shape, after: Shape, factor: Factor) -> ops.Op:
    sides = [new if side == old else side for side, old, new in zip(op.size, before, after, strict=True)]
    if before[0] == 1 and op.size[0] > 1:
        sides[0] = scaled(op.size[0], factor)
    return replace(op, size=tuple(sides))


@widen.register
def _(op: ops.Reshape, before: Shape, after: Shape, factor: Factor) -> ops.Op:
    """Of the axes that hold the channels, the largest takes the change: the channels of a group, not their groups."""
    size = list(op.size)
    whole = op.shape(before)
    for old, new in blocks(before, whole):
        was, now = elements(tuple(before[i] for i in old)), elements(tuple(after[i] for i in old))
        if was == now or any(size[i] == -1 for i in new):
            continue
        axis = max(new, key=lambda i: (whole[i], i))
        size[axis] = whole[axis] * now // was
    return replace(op, size=tuple(size))
