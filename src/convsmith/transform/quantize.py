"""Activations put on grids of 8 bits, where an engine computes in integers between them."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

from convsmith.errors import UsageError
from convsmith.network import ops
from convsmith.network.network import INPUT, Network, Node
from convsmith.network.ops.base import Rearrangement

FOLDED = ("relu", "relu6")
"""Activations that engines fold into the layer before: what that one gives in between is never rounded."""


class Range(NamedTuple):
    """The smallest and the largest value of a feature map over some images."""

    low: float
    high: float


def quantize_activations(
    net: Network, ranges: Mapping[str, Range], bits: int = 8, floating: Collection[str] = ()
) -> Network:
    """The network, as it runs after training, with a `Quantize` behind its input and every layer but the last.

    `ranges` holds one for the input and each layer, by name (see `convsmith.model.observe`). A grid runs from the
    smallest value to the largest, 0 included exactly, as zero padding needs it. Layers that only move values keep the
    grid of their input. Between a layer and the rectifier that alone reads it nothing is rounded.

    Layers in `floating` are computed in floats: what one gives to another is not rounded.

    Raises UsageError for a layer that has no range.
    """
    net = net.inference
    readers = Counter(source for node in net for source in node.inputs)
    folded = {
        node.inputs[0]
        for node in net
        if isinstance(node.op, ops.Activation) and node.op.function in FOLDED and readers[node.inputs[0]] == 1
    }
    # What a floating layer gives is rounded only for readers that compute in integers.
    integer_inputs = {source for node in net if node.name not in floating for source in node.inputs}
    exact = folded | _end(net) | (set(floating) - integer_inputs)
    grids: dict[str, ops.Quantize] = {}
    rounded: dict[str, str] = {}
    nodes: list[Node] = []

    def put(name: str, grid: ops.Quantize) -> None:
        grids[name], rounded[name] = grid, f"{name}_quantize"
        nodes.append(Node(rounded[name], grid, (name,)))

    def read(node: Node, source: str) -> str:
        """The value that a layer reads: the rounded one, but between two floating layers."""
        both = node.name in floating and (source in floating or source == INPUT)
        return source if both else rounded.get(source, source)

    if INPUT in integer_inputs:
        put(INPUT, _grid(INPUT, ranges, bits))
    for node in net:
        nodes.append(replace(node, inputs=tuple(read(node, source) for source in node.inputs)))
        if node.name in exact:
            continue
        moved = _only_moves(node.op) and node.inputs[0] in grids
        put(node.name, grids[node.inputs[0]] if moved else _grid(node.name, ranges, bits))
    return replace(
        net, nodes=tuple(nodes), origin=net.origin and net.origin.with_setting(quantize_activations.__name__, bits)
    )


def _only_moves(op: ops.Op) -> bool:
    """Whether all that it gives is values of its one input, or 0: then its output lies on the same grid."""
    if isinstance(op, ops.Pad):
        return op.mode != "constant" or op.value == 0
    return isinstance(op, ops.MaxPool) or (isinstance(op, Rearrangement) and op.arity == 1)


def _end(net: Network) -> set[str]:
    """The layer that computes the output, and those behind it that only rearrange."""
    end = {net.output}
    node = net[net.output]
    while isinstance(node.op, Rearrangement) and node.op.arity == 1 and node.inputs[0] != INPUT:
        node = net[node.inputs[0]]
        end.add(node.name)
    return end


def _grid(name: str, ranges: Mapping[str, Range], bits: int) -> ops.Quantize:
    if name not in ranges:
        raise UsageError(f"{name} has no range: observe the network on some images first")
    low, high = min(ranges[name].low, 0.0), max(ranges[name].high, 0.0)
    steps = 2**bits - 1
    scale = _float32((high - low) / steps)
    # A map that is 0 everywhere, or nearly: any grid has a 0.
    if scale == 0:
        return ops.Quantize(1.0, 0, bits)
    return ops.Quantize(scale, min(steps, max(0, round(-low / scale))), bits)


def _float32(value: float) -> float:
    """The nearest float32, which is what every engine computes with."""
    nearest: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return nearest
