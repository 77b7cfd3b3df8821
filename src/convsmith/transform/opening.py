"""Stages of one block, which changes the shape: what a second block would be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from convsmith.errors import ConvsmithError, UsageError
from convsmith.network import ops
from convsmith.network.dims import Shape
from convsmith.network.network import Network, Node, infer
from convsmith.transform.chain import FOLLOWS, Link
from convsmith.transform.part import classifier_of
from convsmith.transform.stochastic_depth import residual_branch
from convsmith.transform.width import widen

FROM = ""
"""What the first layers of a template read: the block's input, whichever that is."""

Template = tuple[Node, ...]
"""A block's layers under the names of the block that it is made from."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A block that changes the shape and after which no block keeps it, with the one that could follow it."""

    link: Link
    follower: Template


def openings(net: Network, links: Sequence[Link], kept: Sequence[Link]) -> Iterator[Opening]:
    """The stages of a single block, in the network's order. `kept` are all blocks that keep their shape.

    Where blocks are residual, these are blocks whose shortcut is a projection (ResNet) and, if such blocks open other
    stages too, blocks without a shortcut that are otherwise like those that have one (MBConv); in a plain network,
    convolutions like those that are repeated, or any if none is. Neither the first layer nor the classifier is a block.
    """
    inside = {name for block in kept for name in block.nodes}
    entries = {block.entry for block in kept}
    free = [None if inside.intersection(link.nodes) else link for link in links]
    if kept and any(_sum_of(net, block) for block in kept):
        yield from _ordered(net, [*_projected(net, free, kept, entries), *_linear(net, free, kept, entries)])
    elif not any(_is_dense(net, block) for block in kept):
        yield from _plain(net, free, kept, entries)


def _ordered(net: Network, found: Sequence[Opening]) -> list[Opening]:
    places = {node.name: place for place, node in enumerate(net)}
    return sorted(found, key=lambda opening: places[opening.link.exit])


def _projected(net: Network, free: Sequence[Link | None], kept: Sequence[Link], entries: set[str]) -> Iterator[Opening]:
    """Residual blocks whose shortcut has another shape than what is added to it."""
    endings = {_behind_sum(net, block) for block in kept}
    for before, link in zip([None, *free], free, strict=False):
        if link is None or link.exit in entries or _sum_of(net, link) is None:
            continue
        if before is not None and all(isinstance(net[name].op, FOLLOWS) for name in before.nodes):
            link = Link(before.entry, (*before.nodes, *link.nodes))  # a norm and activation before both branches
        template = _without_projection(net, link)
        # A pooling as the shortcut ends a stage (ResNet-V2 in Keras).
        wider = net.shapes[link.entry][0] != net.shapes[link.exit][0]
        if template is not None and wider and endings == {_behind_sum(net, link)} and _keeps(net, link, template):
            yield Opening(link, template)


def _linear(net: Network, free: Sequence[Link | None], kept: Sequence[Link], entries: set[str]) -> Iterator[Opening]:
    """Blocks without a shortcut that are like those that have one, perhaps without what those begin with."""
    signs = {_sign(net, block.nodes): block for block in kept if _sum_of(net, block) is not None}
    endings = {sign[start:]: block for sign, block in signs.items() for start in reversed(range(_last_start(sign) + 1))}
    runs = [run for run in _runs(net, free) if run]
    ended = [_longest_end(net, run, endings) for run in runs if run[-1].exit in entries]
    if not any(ended):
        return
    for run in runs:
        opened = _longest_end(net, run, endings) if run[-1].exit in entries else 0
        for link, block in _matches(net, run[: len(run) - opened], endings):
            template = _with_shortcut(net, _followed(net, link), link, block)
            if template is not None and _keeps(net, link, template):
                yield Opening(link, template)


def _plain(net: Network, free: Sequence[Link | None], kept: Sequence[Link], entries: set[str]) -> Iterator[Opening]:
    signs = {_sign(net, block.nodes): block for block in kept}
    for run in _runs(net, free):
        opened = _longest_end(net, run, signs) if run and run[-1].exit in entries else 0
        rest = run[: len(run) - opened]
        found = [link for link, _ in _matches(net, rest, signs)] if kept else [link for link in rest if link.mixes(net)]
        for link in found:
            template = _followed(net, link)
            if template is not None and _spreads(net, link) and _keeps(net, link, template):
                yield Opening(link, template)


def _runs(net: Network, free: Sequence[Link | None]) -> Iterator[list[Link]]:
    """What lies between blocks, in links without branches that are added: not the first layers, nor the classifier."""
    try:
        last = classifier_of(net).name
    except UsageError:
        last = net.output
    run: list[Link] = []
    first = True
    for link in (*free, None):
        begins, first = first, first and not (link is None or link.mixes(net))
        if link is None or begins or last in link.nodes or _sum_of(net, link) is not None:
            yield run
            run = []
        else:
            run.append(link)


def _matches(net: Network, run: Sequence[Link], signs: dict[tuple[object, ...], Link]) -> Iterator[tuple[Link, Link]]:
    """The longest neighbouring links that have one of these signs, each with the block whose sign it is."""
    start = 0
    while start < len(run):
        ends = [end for end in range(start + 1, len(run) + 1) if _sign(net, _nodes(run[start:end])) in signs]
        if not ends:
            start += 1
            continue
        nodes = _nodes(run[start : ends[-1]])
        yield Link(run[start].entry, nodes), signs[_sign(net, nodes)]
        start = ends[-1]


def _longest_end(net: Network, run: Sequence[Link], signs: dict[tuple[object, ...], Link]) -> int:
    """How many links at the end of a run are a block: the one that opens the stage that follows."""
    return next((count for count in range(len(run), 0, -1) if _sign(net, _nodes(run[-count:])) in signs), 0)


def _nodes(links: Sequence[Link]) -> tuple[str, ...]:
    return tuple(name for link in links for name in link.nodes)


def _sum_of(net: Network, link: Link) -> Node | None:
    """The sum that a residual block ends in."""
    sums = [net[name] for name in link.nodes if isinstance(net[name].op, ops.Add)]
    return sums[-1] if sums else None


def _behind_sum(net: Network, link: Link) -> tuple[str, ...]:
    """What follows the last sum of a block: ResNet's rectifier."""
    total = _sum_of(net, link)
    return () if total is None else tuple(net[n].op.kind for n in link.nodes[link.nodes.index(total.name) + 1 :])


def _is_dense(net: Network, link: Link) -> bool:
    """Whether it adds its maps to its input's, as DenseNet's layers do."""
    return any(isinstance(net[name].op, ops.Concat) and link.entry in net[name].inputs for name in link.nodes)


def _sign(net: Network, names: Sequence[str]) -> tuple[object, ...]:
    """Equal for blocks of the same layers, whatever their sizes; a sum and the activation behind it do not count."""
    found: list[object] = []
    for name in names:
        op = net[name].op
        if isinstance(op, ops.Add):
            break
        if isinstance(op, ops.Conv):
            found.append((op.kind, _is_depthwise(net, net[name]), op.kernel == (1, 1)))
        elif not op.training_only:
            found.append(op.kind)
    return tuple(found)


def _last_start(sign: tuple[object, ...]) -> int:
    """Where an ending may begin at the latest, to have every convolution that sees more than one position."""
    spatial = [place for place, part in enumerate(sign) if isinstance(part, tuple) and not part[2]]
    return spatial[0] if spatial else 0


def _is_depthwise(net: Network, node: Node) -> bool:
    op = node.op
    return isinstance(op, ops.Conv) and op.groups > 1 and op.groups == net.shapes[node.inputs[0]][0]


def _spreads(net: Network, link: Link) -> bool:
    """Whether it has a convolution that sees more than one position."""
    found = (net[name].op for name in link.nodes)
    return any(isinstance(op, ops.Conv) and op.kernel != (1, 1) for op in found)


def _without_projection(net: Network, link: Link) -> Template | None:
    """The block with its input as the shortcut, at stride 1; its inner channels, which go by its output, stay."""
    total = _sum_of(net, link)
    branch = residual_branch(net, total) if total is not None else None
    if total is None or branch is None:
        return None
    main = net.ancestors(branch)
    found: list[Node] = []
    for name in link.nodes[: link.nodes.index(total.name)]:
        if name in main:
            found.append(_reading(net[name], link.entry))
    inputs = tuple(source if source == branch else FROM for source in total.inputs)
    found.append(replace(total, inputs=inputs))
    found += [net[name] for name in link.nodes[link.nodes.index(total.name) + 1 :]]
    return _at_stride_1(net, found, net.shapes[link.exit], Fraction(1))


def _followed(net: Network, link: Link) -> Template | None:
    """The block at stride 1 for its own output; its inner channels keep their proportion to its input's."""
    before, after = net.shapes[link.entry], net.shapes[link.exit]
    if len(before) != 3 or len(after) != 3:
        return None
    nodes = [_reading(net[name], link.entry) for name in link.nodes]
    return _at_stride_1(net, nodes, after, Fraction(after[0], before[0]))


def _reading(node: Node, entry: str) -> Node:
    return replace(node, inputs=tuple(FROM if source == entry else source for source in node.inputs))


def _at_stride_1(net: Network, nodes: Sequence[Node], shape: Shape, growth: Fraction) -> Template | None:
    """The layers for an input of `shape`, with inner channels times `growth`; None where they do not fit."""
    mixing = [node.name for node in nodes if isinstance(node.op, ops.Conv) and not _is_depthwise(net, net[node.name])]
    shapes: dict[str, Shape] = {FROM: shape}
    found: list[Node] = []
    for node in nodes:
        if node.shares is not None or any(source not in shapes for source in node.inputs):
            return None
        op = node.op
        if isinstance(op, ops.Conv):
            inputs, keeps = shapes[node.inputs[0]][0], bool(mixing) and node.name == mixing[-1]
            if _is_depthwise(net, net[node.name]):
                channels, groups = op.channels // op.groups * inputs, inputs
            else:
                channels, groups = op.channels if keeps else max(1, round(op.channels * growth)), op.groups
            op = replace(op, channels=channels, groups=groups, stride=(1, 1))
        elif node.inputs:
            op = widen(op, net.inputs_of(net[node.name])[0], shapes[node.inputs[0]], float(growth))
        try:
            shapes[node.name] = infer(node.name, op, [shapes[source] for source in node.inputs])
        except ConvsmithError:
            return None
        found.append(replace(node, op=op))
    return tuple(found)


def _with_shortcut(net: Network, template: Template | None, link: Link, like: Link) -> Template | None:
    """The block with its input added to its output, as in the block that it is like."""
    if template is None:
        return None
    scope = link.exit.rpartition(".")[0]
    branch = residual_branch(net, total) if (total := _sum_of(net, like)) is not None else None
    if total is None or branch is None:
        return None
    ends = like.nodes.index(next(name for name in reversed(like.nodes) if _computes(net, name)))
    moved = {like.nodes[ends]: link.exit, like.entry: FROM}
    found: list[Node] = []
    for name in like.nodes[ends + 1 :]:
        if not moved.keys() >= set(net[name].inputs):
            return None
        new = f"{scope}.{name.rpartition('.')[2]}" if scope else name
        found.append(Node(new, net[name].op, tuple(moved[source] for source in net[name].inputs)))
        moved[name] = new
    return (*template, *found)


def _computes(net: Network, name: str) -> bool:
    return bool(net.parameters_of(net[name]))


def _keeps(net: Network, link: Link, template: Template) -> bool:
    """Whether the block gives the shape that it gets, unlike the one that it is made from."""
    if net.shapes[link.entry] == net.shapes[link.exit] or len({node.name for node in template}) != len(template):
        return False
    shapes: dict[str, Shape] = {FROM: net.shapes[link.exit]}
    try:
        for node in template:
            shapes[node.name] = infer(node.name, node.op, [shapes[source] for source in node.inputs])
    except (ConvsmithError, KeyError):
        return False
    return shapes[template[-1].name] == shapes[FROM]
