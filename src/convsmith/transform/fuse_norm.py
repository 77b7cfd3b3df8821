"""Batch norms folded into the convolutions and dense layers before them, as nothing but weights."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace

from convsmith.network import ops
from convsmith.network.network import Network, Node

LINEAR = (ops.Conv, ops.ConvTranspose, ops.Linear)
"""What is linear in a weight and a bias by output channel."""


def norms_to_fuse(net: Network) -> dict[str, str]:
    """The layer that each foldable batch norm follows, by the norm's name.

    A norm can be folded if it alone reads a convolution, or a dense layer whose output is a vector, and neither shares
    parameters with another layer.
    """
    readers = Counter(source for node in net for source in node.inputs)
    readers.update((net.output, *(head.node for head in net.auxiliary)))
    sharing = {name for node in net if node.shares for name in (node.name, node.shares)}
    layers = {
        node.name
        for node in net
        if isinstance(node.op, LINEAR)
        and node.name not in sharing
        and readers[node.name] == 1
        # A dense layer's features are its last axis, a norm's channels the first.
        and (len(net.shapes[node.name]) == 1 or not isinstance(node.op, ops.Linear))
    }
    return {
        node.name: node.inputs[0]
        for node in net
        if isinstance(node.op, ops.BatchNorm) and node.name not in sharing and node.inputs[0] in layers
    }


def fuse_norm(net: Network) -> Network:
    """The network with each batch norm that follows a convolution or dense layer folded into it; that has a bias then.

    Convolutions that standardise their filters become plain ones. The network computes what it did after training,
    with weights from `convsmith.model.fuse_norm`. Layers keep their names. Weights that change are stored in float32:
    they are no longer on the grid that they were on.
    """
    net = plain_filters(net)
    norms = norms_to_fuse(net)
    changed = set(norms.values())
    nodes = tuple(_fused(node, norms) for node in net if node.name not in norms)
    storage = tuple(stored for stored in net.storage if stored.parameter.rpartition(".")[0] not in changed)
    auxiliary = tuple(replace(head, node=norms.get(head.node, head.node)) for head in net.auxiliary)
    output = norms.get(net.output, net.output)
    origin = net.origin and net.origin.with_setting(fuse_norm.__name__, True)
    return replace(net, nodes=nodes, output=output, auxiliary=auxiliary, origin=origin, storage=storage)


def plain_filters(net: Network) -> Network:
    """The network with plain convolutions in place of those that standardise their filters.

    Weights are those of `convsmith.model.plain_filters`, stored in float32 where they changed.
    """
    changed = {node.name for node in net if isinstance(node.op, ops.StandardizedConv)}
    if not changed:
        return net
    nodes = tuple(replace(node, op=_plain(node.op)) for node in net)
    storage = tuple(stored for stored in net.storage if stored.parameter.rpartition(".")[0] not in changed)
    origin = net.origin and net.origin.with_setting(plain_filters.__name__, True)
    return replace(net, nodes=nodes, origin=origin, storage=storage)


def _fused(node: Node, norms: dict[str, str]) -> Node:
    op = node.op
    if node.name in norms.values():
        op = replace(op, bias=True)  # type: ignore[call-arg]
    return replace(node, op=op, inputs=tuple(norms.get(source, source) for source in node.inputs))


def _plain(op: ops.Op) -> ops.Op:
    if not isinstance(op, ops.StandardizedConv):
        return op
    return ops.Conv(**{field.name: getattr(op, field.name) for field in fields(ops.Conv)})
