"""Batch norms folded into the convolutions before them, as nothing but weights."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from convsmith.network import ops
from convsmith.network.network import Network, Node

CONVOLUTIONS = (ops.Conv, ops.ConvTranspose)
"""What is linear in a weight and a bias by output channel; `StandardizedConv` is one in its gain."""


def norms_to_fuse(net: Network) -> dict[str, str]:
    """The convolution that each foldable batch norm follows, by the norm's name.

    A norm can be folded if it alone reads its convolution, and neither shares parameters with another layer.
    """
    readers = Counter(source for node in net for source in node.inputs)
    readers.update((net.output, *(head.node for head in net.auxiliary)))
    sharing = {name for node in net if node.shares for name in (node.name, node.shares)}
    convolutions = {
        node.name
        for node in net
        if isinstance(node.op, CONVOLUTIONS) and node.name not in sharing and readers[node.name] == 1
    }
    return {
        node.name: node.inputs[0]
        for node in net
        if isinstance(node.op, ops.BatchNorm) and node.name not in sharing and node.inputs[0] in convolutions
    }


def fuse_norm(net: Network) -> Network:
    """The network with each batch norm that follows a convolution folded into it; the convolution then has a bias.

    It computes what the network computes after training, with weights from `convsmith.model.fuse_norm`. Convolutions
    keep their names. Filters that change are stored in float32: they are no longer on the grid that they were on.
    """
    norms = norms_to_fuse(net)
    convolutions = set(norms.values())
    nodes = tuple(_fused(node, norms, convolutions) for node in net if node.name not in norms)
    storage = tuple(stored for stored in net.storage if stored.parameter.rpartition(".")[0] not in convolutions)
    auxiliary = tuple(replace(head, node=norms.get(head.node, head.node)) for head in net.auxiliary)
    output = norms.get(net.output, net.output)
    return replace(net, nodes=nodes, output=output, auxiliary=auxiliary, storage=storage)


def _fused(node: Node, norms: dict[str, str], convolutions: set[str]) -> Node:
    op = replace(node.op, bias=True) if node.name in convolutions else node.op  # type: ignore[call-arg]
    return replace(node, op=op, inputs=tuple(norms.get(source, source) for source in node.inputs))
