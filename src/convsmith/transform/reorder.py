"""The same function in a cheaper order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from convsmith.network import ops
from convsmith.network.network import Network, Node

RECTIFIERS = ("relu", "relu6")
"""Functions f with max(f(a), f(b)) = f(max(a, b)) to the last bit, gradients included."""


def pool_before_rectifier(net: Network) -> Network:
    """The same network with each rectifier that feeds only a max pooling moved behind it.

    Outputs, gradients and parameters are bit for bit the same, under the same names. The rectifier then touches a
    quarter of the elements, which makes training of LeNet-5 measurably faster.
    """
    readers = Counter(source for node in net.nodes for source in node.inputs)
    readers.update((net.output, *(head.node for head in net.auxiliary)))
    nodes: list[Node] = []
    moved: dict[str, str] = {}
    for node in net.nodes:
        node = replace(node, inputs=tuple(moved.get(source, source) for source in node.inputs))
        before = nodes[-1] if nodes else None
        if before and node.inputs == (before.name,) and readers[before.name] == 1 and _commute(before.op, node.op):
            nodes[-1:] = [replace(node, inputs=before.inputs), replace(before, inputs=(node.name,))]
            moved[node.name] = before.name
        else:
            nodes.append(node)
    output = moved.get(net.output, net.output)
    auxiliary = tuple(replace(head, node=moved.get(head.node, head.node)) for head in net.auxiliary)
    return replace(net, nodes=tuple(nodes), output=output, auxiliary=auxiliary)


def _commute(first: ops.Op, second: ops.Op) -> bool:
    return isinstance(first, ops.Activation) and first.function in RECTIFIERS and isinstance(second, ops.MaxPool)
