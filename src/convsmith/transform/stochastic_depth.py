"""Residual blocks that are left out at random in training."""

from __future__ import annotations

from dataclasses import replace

from convsmith.network import ops
from convsmith.network.network import INPUT, Network, Node


def with_stochastic_depth(net: Network, most: float) -> Network:
    """The network whose residual branches are dropped in training, by image (Huang et al. 2016, arXiv 1603.09382).

    The probability grows linearly along the depth, up to `most` at the last branch. A branch is the input of a sum of
    two that has more layers with weights than the other, counted from where they part. Sums of equal inputs are left as
    they are, and so are networks that have stochastic depth of their own.
    """
    if not most or any(isinstance(node.op, ops.StochasticDepth) for node in net):
        return net
    branches = {node.name: branch for node in net if (branch := residual_branch(net, node)) is not None}
    nodes: list[Node] = []
    for node in net:
        if node.name in branches:
            source = branches[node.name]
            depth = list(branches).index(node.name) + 1
            drop = Node(f"{node.name}.drop", ops.StochasticDepth(most * depth / len(branches)), (source,))
            nodes += [drop, replace(node, inputs=tuple(drop.name if i == source else i for i in node.inputs))]
        else:
            nodes.append(node)
    return replace(net, nodes=tuple(nodes))


def residual_branch(net: Network, node: Node) -> str | None:
    """The input of a sum that is its residual branch; None for a node that is no such sum."""
    if not isinstance(node.op, ops.Add) or len(node.inputs) != 2 or INPUT in node.inputs:
        return None
    if not all(net[source].inputs for source in node.inputs):
        return None  # the sum with a constant
    first, second = (net.ancestors(source) for source in node.inputs)
    lengths = [sum(bool(net.parameters_of(net[name])) for name in own) for own in (first - second, second - first)]
    if lengths[0] == lengths[1]:
        return None
    return node.inputs[0] if lengths[0] > lengths[1] else node.inputs[1]
