"""What is computed in integers or in floats together: a layer with weights, and what follows it element by element."""

from __future__ import annotations

from convsmith.model.rounding import CHANNEL_AXIS
from convsmith.network import Network, ops
from convsmith.network.ops.base import Elementwise


def groups(net: Network) -> dict[str, tuple[str, ...]]:
    """The layers that go with each layer that has a weight, itself first: its norm, its activation.

    Layers with shared parameters are in the group of their owner.
    """
    readers: dict[str, list[str]] = {}
    for node in net:
        for source in node.inputs:
            readers.setdefault(source, []).append(node.name)
    found: dict[str, tuple[str, ...]] = {}
    for node in net:
        if type(node.op) in CHANNEL_AXIS:
            chain, name = [node.name], node.name
            while len(readers.get(name, ())) == 1 and _follows(net, readers[name][0]):
                name = readers[name][0]
                chain.append(name)
            owner = node.shares or node.name
            found[owner] = (*found.get(owner, ()), *chain)
    return found


def _follows(net: Network, name: str) -> bool:
    op = net[name].op
    return isinstance(op, Elementwise | ops.BatchNorm) and op.arity == 1 and not isinstance(op, ops.Quantize)
