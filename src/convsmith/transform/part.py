"""Parts of a network: trunk and classifier, stages, what leads up to a layer; and another classifier."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from convsmith.errors import ShapeError, UnknownNameError, UsageError
from convsmith.network import ops
from convsmith.network.network import INPUT, Network, Node

LEARNED = (ops.Linear, ops.Conv)
"""What a classifier's layer may be: dense, or 1x1 to class maps (SqueezeNet)."""


def up_to(net: Network, layer: str) -> Network:
    """The network that ends at this layer, as it runs after training. Raises UnknownNameError."""
    net = net.inference
    if layer not in {node.name for node in net}:
        raise UnknownNameError(f"layer of {net.name}", layer, [node.name for node in net])
    needed = net.ancestors(layer)
    return replace(net, nodes=tuple(node for node in net if node.name in needed), output=layer, origin=None)


def classifier_of(net: Network, output: str | None = None) -> Node:
    """The last layer with weights before an output: the one whose width is the number of classes.

    Raises UsageError for a network that does not end in one.
    """
    node = net[output or net.output]
    while not isinstance(node.op, LEARNED):
        if len(node.inputs) != 1 or node.inputs[0] == INPUT or node.op.parameters(*net.inputs_of(node)):
            raise UsageError(f"{net.name} does not end in a dense layer or convolution that could be replaced")
        node = net[node.inputs[0]]
    return node


def with_classes(net: Network, classes: int) -> Network:
    """The same network for another number of classes: its classifier and those of its auxiliary heads get that width.

    Raises UsageError for a network that does not end in a dense layer or convolution.
    """
    heads = {classifier_of(net, output).name for output in (net.output, *(head.node for head in net.auxiliary))}
    nodes = tuple(replace(node, op=_as_wide(node.op, classes)) if node.name in heads else node for node in net)
    return replace(net, nodes=nodes)


def _as_wide(op: ops.Op, classes: int) -> ops.Op:
    return replace(op, features=classes) if isinstance(op, ops.Linear) else replace(op, channels=classes)  # type: ignore[call-arg]


def trunk_and_head(net: Network) -> tuple[Network, Network]:
    """What turns an image into features, and what turns features into classes: the classifier and all that follows it.

    Dropout and the like right before the classifier belong to the head. The head's input is the trunk's output;
    auxiliary heads belong to neither.
    """
    first = classifier_of(net)
    while first.inputs[0] != INPUT and net[first.inputs[0]].op.training_only:
        first = net[first.inputs[0]]
    source = first.inputs[0]
    if source == INPUT:
        raise UsageError(f"{net.name} has no layers before its classifier {first.name}")
    behind = _between(net, first.name)
    nodes = tuple(replace(node, inputs=tuple(INPUT if i == source else i for i in node.inputs)) for node in behind)
    head = replace(net, input=net.shapes[source], nodes=nodes, auxiliary=(), origin=None)
    return up_to(net, source), head


def _between(net: Network, first: str) -> list[Node]:
    """The nodes from `first` to the output that depend on it."""
    behind: dict[str, Node] = {}
    needed = net.ancestors(net.output)
    for node in net:
        if node.name in needed and (node.name == first or any(source in behind for source in node.inputs)):
            behind[node.name] = node
    return list(behind.values())


def stages(net: Network) -> list[tuple[str, ...]]:
    """The layers with weights in groups from input to output: stem, each stage of blocks, what follows, classifier.

    Layers outside any scope that follow one another are a group; auxiliary heads are in none.
    """
    classifier = classifier_of(net).name
    needed = net.ancestors(net.output)
    main = [node for node in net if node.name in needed and net.parameters_of(node) and node.name != classifier]
    groups = [tuple(node.name for node in members) for _, members in groupby(main, key=lambda node: node.stage)]
    return [*groups, (classifier,)]


def takes_side(net: Network, size: tuple[int, ...]) -> bool:
    """Whether the network takes images of this (height, width) with the parameters that it has."""
    try:
        resized = replace(net, input=(net.input[0], *size))
        return resized.parameters == net.parameters
    except ShapeError:
        return False
