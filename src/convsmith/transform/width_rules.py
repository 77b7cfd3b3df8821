"""How a layer's width follows from a factor, where its neighbours have a say in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm
from typing import Any, TypeAlias

from convsmith.network import ops
from convsmith.network.dims import Dim, Shape, divisible, elements
from convsmith.network.network import INPUT, Network, Node
from convsmith.transform.chain import FOLLOWS

Factor: TypeAlias = Any
"""A float, or an array of floats with one for each candidate network."""

KEEPS = (*FOLLOWS, ops.Multiply)
"""What changes no channels: norms, activations, gates."""

IN_GATES = (*FOLLOWS, ops.Reshape, ops.Flatten)

POINTWISE = (1, 1)

Layer = ops.Conv | ops.Linear


@dataclass(frozen=True, slots=True)
class WidthRule:
    """A layer's width: that of the layer `like`, or `share` times its input's; else scaled, to a multiple of
    `multiple`."""

    like: str | None = None
    share: Fraction | None = None
    multiple: int = 1

    def applied(self, op: Layer, inputs: Dim, shapes: Mapping[str, Shape], factor: Factor) -> Layer:
        """The layer at its new width, where `shapes` has those of the layers before it, which are done."""
        before = op.channels if isinstance(op, ops.Conv) else op.features
        if self.like is not None:
            width = shapes[self.like][0]
        elif self.share is not None:
            width = inputs * self.share.numerator // self.share.denominator
            width = width + (width < 1)
        else:
            width = scaled(before, factor, self.multiple)
        return replace(op, channels=width) if isinstance(op, ops.Conv) else replace(op, features=width)


def scaled(channels: int, factor: Factor, multiple: int = 1) -> Dim:
    """A layer's new width: the multiple of 8 nearest to the product, never below 90% of it.

    Widths that are no multiples of 8 are rounded to 4, 2 or 1, as they are.
    """
    divisor = next(d for d in (8, 4, 2, 1) if channels % d == 0)
    return divisible(channels * factor, lcm(divisor, multiple))


def rules_of(net: Network) -> Mapping[str, WidthRule]:
    """The layers whose width does not follow from the factor alone.

    - The expansion of an inverted residual stays as many times its block's input (Sandler et al. 2018, table 1): a 1x1
      convolution to k times its input, whose depthwise convolution leads to a 1x1 convolution to fewer channels.
    - Squeeze-and-excitation keeps its reduction (Hu et al. 2018, section 3.3); its gate is as wide as what it gates.
    - What a grouped convolution reads is a multiple of its groups.
    """
    readers: dict[str, list[Node]] = defaultdict(list)
    for node in net:
        for source in node.inputs:
            readers[source].append(node)
    found: dict[str, WidthRule] = {}
    for node in net:
        if isinstance(node.op, ops.Conv):
            found |= _of_groups(net, node) or _of_expansion(net, readers, node)
        elif isinstance(node.op, ops.Multiply):
            found |= _of_gate(net, node)
    return found


def _of_groups(net: Network, node: Node) -> dict[str, WidthRule]:
    assert isinstance(node.op, ops.Conv)
    if not 1 < node.op.groups < net.shapes[node.inputs[0]][0]:
        return {}
    name = _behind(net, node.inputs[0], KEEPS)
    op = None if name is None else net[name].op
    return {name: WidthRule(multiple=node.op.groups)} if name and isinstance(op, ops.Conv) and op.groups == 1 else {}


def _of_expansion(net: Network, readers: Mapping[str, list[Node]], node: Node) -> dict[str, WidthRule]:
    op, inputs = node.op, net.shapes[node.inputs[0]][0]
    assert isinstance(op, ops.Conv)
    if op.kernel != POINTWISE or op.channels <= inputs or op.channels % inputs:
        return {}
    narrowed = any(_narrows(net, readers, reached) for reached in _reached(readers, node))
    return {node.name: WidthRule(share=Fraction(op.channels // inputs))} if narrowed else {}


def _of_gate(net: Network, node: Node) -> dict[str, WidthRule]:
    gated, gate = sorted(node.inputs, key=lambda name: elements(net.shapes[name]), reverse=True)
    if elements(net.shapes[gate]) != net.shapes[gated][0]:
        return {}
    last = _behind(net, gate, IN_GATES)
    if last is None or not isinstance(net[last].op, Layer):
        return {}
    found = {last: WidthRule(like=gated)}
    first = _behind(net, net[last].inputs[0], IN_GATES)
    if first is not None and isinstance(net[first].op, Layer):
        width, inputs = net.shapes[first][0], net.shapes[net[first].inputs[0]][0]
        found[first] = WidthRule(share=Fraction(width, inputs))
    return found


def _behind(net: Network, name: str, through: tuple[type[ops.Op], ...]) -> str | None:
    """The first layer on the way back that is none of these; None at the input."""
    while name != INPUT and isinstance(net[name].op, through):
        name = net[name].inputs[0]
    return None if name == INPUT else name


def _reached(readers: Mapping[str, list[Node]], node: Node) -> list[Node]:
    """The convolutions that read a layer's channels as they are."""
    found: list[Node] = []
    for reader in readers[node.name]:
        if isinstance(reader.op, ops.Conv):
            found.append(reader)
        elif isinstance(reader.op, KEEPS):
            found += _reached(readers, reader)
    return found


def _narrows(net: Network, readers: Mapping[str, list[Node]], node: Node) -> bool:
    """Whether this is a depthwise convolution whose channels a 1x1 convolution makes fewer."""
    op, inputs = node.op, net.shapes[node.inputs[0]][0]
    if not isinstance(op, ops.Conv) or op.groups != inputs or op.channels != inputs:
        return False
    after = [reached.op for reached in _reached(readers, node)]
    return any(isinstance(o, ops.Conv) and o.kernel == POINTWISE and o.channels < inputs for o in after)
