"""A network as a chain: the pieces between the layers through which everything passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from convsmith.network import ops
from convsmith.network.network import INPUT, Network

MIXES = (ops.Conv, ops.ConvTranspose, ops.TableConv, ops.Linear, ops.MatMul)
"""What computes each output from several inputs with weights."""

ACTS = (ops.Activation, ops.PReLU, ops.Dropout, ops.StochasticDepth)
"""What belongs to any layer that it follows."""

FOLLOWS = (*ACTS, ops.BatchNorm, ops.GroupNorm, ops.InstanceNorm)
"""What belongs to a layer without branches that it follows."""


@dataclass(frozen=True, slots=True)
class Link:
    """Layers with one way in and one way out: `entry` is the layer before them, or the network's input."""

    entry: str
    nodes: tuple[str, ...]

    @property
    def exit(self) -> str:
        return self.nodes[-1]

    def mixes(self, net: Network) -> bool:
        """Whether it has a layer with weights that mixes channels."""
        return any(_mixes(net, name) for name in self.nodes)

    def concatenates(self, net: Network) -> bool:
        return any(isinstance(net[name].op, ops.Concat) for name in self.nodes)


def _mixes(net: Network, name: str) -> bool:
    op = net[name].op
    depthwise = isinstance(op, ops.Conv) and op.groups > 1 and op.groups == net.shapes[net[name].inputs[0]][0]
    return isinstance(op, MIXES) and not depthwise


def chain_of(net: Network) -> tuple[Link, ...]:
    """The layers that the output depends on, as links from input to output; auxiliary heads are in none.

    A link is one layer with the norm and activation that follow it, or all layers of a branching piece with the
    activation that follows.
    """
    links: list[Link] = []
    for piece in _pieces(net):
        before = links[-1] if links else None
        if before and len(piece.nodes) == 1 and _belongs(net, before, piece.nodes[0]):
            links[-1] = Link(before.entry, (*before.nodes, *piece.nodes))
        else:
            links.append(piece)
    return tuple(links)


def _belongs(net: Network, before: Link, name: str) -> bool:
    joined = len(net[before.nodes[0]].inputs) != 1 or any(len(net[n].inputs) > 1 for n in before.nodes)
    # Behind a sum only the activation: a norm there is the next block's first layer, or the end of the network.
    return isinstance(net[name].op, ACTS if joined else FOLLOWS)


def _pieces(net: Network) -> Iterator[Link]:
    """What lies between each layer through which everything passes and the next."""
    needed = net.ancestors(net.output)
    main = [node for node in net if node.name in needed]
    last_reader = {INPUT: -1}
    for i, node in enumerate(main):
        last_reader[node.name] = i
        for source in node.inputs:
            last_reader[source] = i
    entry, piece, reach = INPUT, [], last_reader[INPUT]
    for i, node in enumerate(main):
        piece.append(node.name)
        # Nothing before this layer may be read after it.
        if reach <= i:
            yield Link(entry, tuple(piece))
            entry, piece = node.name, []
        reach = max(reach, last_reader[node.name])
