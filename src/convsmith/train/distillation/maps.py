"""Which feature maps of a teacher and a student are compared: found in the graph, never by the layers' names."""

from __future__ import annotations

from convsmith.network.network import INPUT, Network

SMALLEST_SIDE = 2
"""Of a map that is compared: a single position says nothing of where things are."""

SAME_STAGE = 0.6
"""The share of its first map's side down to which a stage goes on: unpadded convolutions cut off a rim."""


def stage_maps(net: Network) -> tuple[str, ...]:
    """The last feature map of each resolution, from the input to the output, by the layers' names.

    Only layers count through which everything passes that reaches the output: behind a residual block or a concat, not
    inside. A map has shape (C, H, W).
    """
    found: list[str] = []
    first = 0.0
    for name in bottlenecks(net):
        shape = net.shapes[name]
        side = float(min(shape[1:])) if len(shape) == 3 else 0.0
        if side < SMALLEST_SIDE:
            continue
        if found and side > SAME_STAGE * first:
            found[-1] = name
        else:
            found.append(name)
            first = side
    return tuple(found)


def compared_maps(student: Network, teacher: Network) -> list[tuple[str, str]]:
    """Pairs of `stage_maps`, from input to output: the last with the last, and so on as far as both have some."""
    pairs = zip(reversed(stage_maps(student)), reversed(stage_maps(teacher)), strict=False)
    return list(pairs)[::-1]


def bottlenecks(net: Network) -> list[str]:
    """The layers that every path from the input to the output goes through, in order."""
    needed = net.ancestors(net.output)
    nodes = [node for node in net if node.name in needed]
    place = {INPUT: -1} | {node.name: at for at, node in enumerate(nodes)}
    reach = [0] * (len(nodes) + 1)
    """How far behind each value its last reader stands; the input's is the last of the list."""
    for at, node in enumerate(nodes):
        for source in node.inputs:
            reach[place[source]] = at
    found, furthest = [], reach[-1]
    for at, node in enumerate(nodes):
        if furthest <= at and node.inputs:
            found.append(node.name)
        furthest = max(furthest, reach[at])
    return found
