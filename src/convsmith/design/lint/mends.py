"""Mechanical mends: from a network and the layers at fault to one without the fault, with the same logits."""

from __future__ import annotations

from dataclasses import replace

from convsmith.network import ops
from convsmith.network.network import Network, Node

Names = tuple[str, ...]


def without_dead(net: Network, names: Names) -> Network:
    """Leaves these layers out, and storage of theirs; nothing that stays may read them."""
    gone = set(names)
    nodes = tuple(node for node in net if node.name not in gone)
    storage = tuple(stored for stored in net.storage if stored.parameter.rpartition(".")[0] not in gone)
    return replace(net, nodes=nodes, storage=storage)


def without_layers(net: Network, names: Names) -> Network:
    """Takes these layers of one input out of the chain: their readers read what they read."""
    instead: dict[str, str] = {}
    for node in net:
        if node.name in names:
            instead[node.name] = instead.get(node.inputs[0], node.inputs[0])

    def read(name: str) -> str:
        return instead.get(name, name)

    nodes = tuple(replace(node, inputs=tuple(map(read, node.inputs))) for node in net if node.name not in instead)
    auxiliary = tuple(replace(head, node=read(head.node)) for head in net.auxiliary)
    return replace(net, nodes=nodes, output=read(net.output), auxiliary=auxiliary)


def without_padding(net: Network, names: Names) -> Network:
    """Takes dead padding off these layers; a layer that only pads is left out."""
    pads = tuple(name for name in names if isinstance(net[name].op, ops.Pad))
    return _changed(without_layers(net, pads) if pads else net, names, padding=(0, 0, 0, 0))


def without_bias(net: Network, names: Names) -> Network:
    """Takes the bias off these layers."""
    gone = {f"{name}.bias" for name in names}
    kept = tuple(stored for stored in net.storage if stored.parameter not in gone)
    return _changed(replace(net, storage=kept), names, bias=False)


def _changed(net: Network, names: Names, **fields: object) -> Network:
    def changed(node: Node) -> Node:
        return replace(node, op=replace(node.op, **fields)) if node.name in names else node

    return replace(net, nodes=tuple(map(changed, net)))
