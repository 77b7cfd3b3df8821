"""The depth multiplier, for any network: blocks repeated or left out, found in the graph and not by their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf

from convsmith.errors import UsageError
from convsmith.network import ops
from convsmith.network.dims import Shape
from convsmith.network.network import INPUT, Network, Node
from convsmith.network.origin import Origin
from convsmith.transform.chain import Link, chain_of
from convsmith.transform.opening import FROM, Template, openings

ROUNDING_SLACK = 1e-9
"""What a product of a count and a factor may be off: 3 * 1.1 / 1.1 is 3."""

Block = tuple[str, ...]
"""The layers of a block, in the network's order. The last gives its output."""

Copy = tuple[tuple[str, str], ...]
"""A new block: its layers, each with the one that it is a copy of."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Neighbouring blocks that are alike, in order. `entry` is what the first one reads.

    `opened` says that a block of the same kind stands before them and changes the shape (the first of a ResNet's
    stage), with or without a shortcut: it counts as one of the stage and is never left out. Where it is the only one,
    there are no `blocks`, and `follower` is the block that can follow it: the same at stride 1, for as many channels as
    it gives, with the shortcut that the network's other blocks have.
    """

    entry: str
    blocks: tuple[Block, ...]
    opened: bool
    follower: Template = ()

    def __len__(self) -> int:
        return len(self.blocks) + self.opened

    @property
    def output(self) -> str:
        """The layer that the last block ends in."""
        return self.blocks[-1][-1] if self.blocks else self.entry


def repeatable_stages(net: Network) -> tuple[Stage, ...]:
    """Where the network can be made deeper: stages of blocks whose output has their input's shape.

    A block is what lies between two layers through which everything passes. In a network with shortcuts only blocks
    that have one count, DenseNet's layers, which add their maps to their input, among them; in one with convolutions,
    dense layers do not. A stage may be a single block that changes the shape, if what could follow it is plain
    (`transform.opening`). Empty if there is no such block.
    """
    links = chain_of(net)
    atoms = list(_atoms(net, links))
    if any(_has_shortcut(net, atom) for atom in atoms):
        atoms = [atom for atom in atoms if _has_shortcut(net, atom)]
    elif any(len(net.shapes[atom.entry]) > 1 for atom in atoms):
        atoms = [atom for atom in atoms if len(net.shapes[atom.entry]) > 1]  # not the dense layers at the end
    runs = [run for neighbours in _neighbours(atoms) for run in _runs(net, neighbours)]
    found = [Stage(run[0].entry, tuple(link.nodes for link in run), _is_opened(net, links, run[0])) for run in runs]
    alone = openings(net, links, [link for run in runs for link in run])
    found += [Stage(opening.link.exit, (), True, opening.follower) for opening in alone]
    places = {node.name: place for place, node in enumerate(net)} | {INPUT: -1}
    return tuple(sorted(found, key=lambda stage: places[stage.entry]))


def scale_depth(net: Network, factor: float) -> Network:
    """The network with `factor` times as many blocks in each stage, rounded up (as EfficientNet does, Tan & Le 2019).

    New blocks follow the last of their stage, under the names that would come next. Of a stage that gets shorter the
    last blocks are left out. Each stage keeps at least one block.

    Raises UsageError for a factor that is not positive and for a network that has no block to repeat, naming the layer
    that came nearest.
    """
    return scale_depth_traced(net, factor)[0]


def scale_depth_traced(net: Network, factor: float) -> tuple[Network, tuple[Copy, ...]]:
    """`scale_depth`, and for each new block its layers with those that they are copies of."""
    if not 0 < factor < inf:
        raise UsageError(f"depth multiplier {factor} must be above 0 and finite")
    if factor == 1:
        return net, ()
    stages = repeatable_stages(net)
    if not stages:
        raise UsageError(f"{net.name} has no block that can be repeated: {_obstacle(net)}")
    # From the last: a stage begins where the one before ends, which changes.
    copies: list[Copy] = []
    for stage, count in reversed(list(zip(stages, counts_at(net, factor), strict=True))):
        net, made = _resized(net, stage, count)
        copies += made
    return replace(net, origin=_origin(net.origin, factor)), tuple(copies)


def counts_at(net: Network, factor: float) -> tuple[int, ...]:
    """How many blocks each of the `repeatable_stages` has at `factor` times the depth: rounded up, at least one."""
    return tuple(max(1, ceil(len(stage) * factor - ROUNDING_SLACK)) for stage in repeatable_stages(net))


def with_blocks(net: Network, stage: Stage, count: int) -> Network:
    """The network whose `stage` has `count` blocks, an opening one included.

    Raises UsageError if fewer than one would be left, or if what is left out has parameters that another layer shares.
    """
    return _resized(net, stage, count)[0]


def _resized(net: Network, stage: Stage, count: int) -> tuple[Network, list[Copy]]:
    if count < 1:
        first = stage.blocks[0][0] if stage.blocks else stage.entry
        raise UsageError(f"{first}: a stage keeps at least one block, not {count}")
    added = count - len(stage)
    if added <= 0:
        return (_shorter(net, stage, -added) if added else net), []
    return _longer(net, stage, added)


def _longer(net: Network, stage: Stage, added: int) -> tuple[Network, list[Copy]]:
    template, end = _template(net, stage), stage.output
    names = _names(net, stage, template, added)
    copies: list[Node] = []
    output = end
    for renamed in names:
        moved = {**renamed, FROM: output}
        for node in template:
            inputs = tuple(moved.get(source, source) for source in node.inputs)
            copies.append(Node(renamed[node.name], node.op, inputs, renamed.get(node.shares or "", node.shares)))
        output = renamed[template[-1].name]
    at = next(i for i, node in enumerate(net) if node.name == end) + 1
    after = [_reading(node, {end: output}) for node in net.nodes[at:]]
    made = _rewired(net, (*net.nodes[:at], *copies, *after), {end: output})
    return made, [tuple((new, old) for old, new in renamed.items()) for renamed in names]


def _template(net: Network, stage: Stage) -> Template:
    """The block that is repeated: the last, or what can follow the only one."""
    if not stage.blocks:
        return stage.follower
    entry = stage.blocks[-2][-1] if len(stage.blocks) > 1 else stage.entry
    return tuple(_reading(net[name], {entry: FROM}) for name in stage.blocks[-1])


def _shorter(net: Network, stage: Stage, dropped: int) -> Network:
    gone = {name for block in stage.blocks[-dropped:] for name in block}
    left = stage.blocks[:-dropped]
    output = {stage.blocks[-1][-1]: left[-1][-1] if left else stage.entry}
    for node in net:
        if node.shares in gone and node.name not in gone:
            raise UsageError(f"{node.shares} cannot be left out: {node.name} shares its parameters")
    # A head inside a dropped block would have nothing to read.
    kept = tuple(_reading(node, output) for node in net if node.name not in gone)
    for node in kept:
        if not gone.isdisjoint(node.inputs):
            raise UsageError(f"{node.name} reads a layer of a block that would be left out")
    return _rewired(net, kept, output)


def _reading(node: Node, moved: Mapping[str, str]) -> Node:
    return replace(node, inputs=tuple(moved.get(source, source) for source in node.inputs))


def _rewired(net: Network, nodes: tuple[Node, ...], moved: Mapping[str, str]) -> Network:
    known = {node.name for node in nodes}
    storage = tuple(stored for stored in net.storage if stored.parameter.rpartition(".")[0] in known)
    auxiliary = tuple(replace(head, node=moved.get(head.node, head.node)) for head in net.auxiliary)
    output = moved.get(net.output, net.output)
    made = replace(net, nodes=nodes, output=output, auxiliary=auxiliary, storage=storage)
    _ = made.shapes  # raises, naming the layer, where the blocks do not fit
    return made


def _origin(origin: Origin | None, factor: float) -> Origin | None:
    if origin is None:
        return None
    before = origin.setting(scale_depth.__name__)
    return origin.with_setting(scale_depth.__name__, factor * (before if isinstance(before, int | float) else 1))


def _atoms(net: Network, links: Sequence[Link]) -> Iterator[Link]:
    """The shortest stretches of links that end in the shape in which they begin, or that only add to it."""
    start = 0
    while start < len(links):
        end = _shape_again(net, links, start)
        if end is None:
            start += 1
            continue
        stretch = links[start:end]
        yield Link(stretch[0].entry, tuple(name for link in stretch for name in link.nodes))
        start = end


def _shape_again(net: Network, links: Sequence[Link], start: int) -> int | None:
    """Behind which link the shape before link `start` comes again."""
    first = links[start]
    before: Shape = net.shapes[first.entry]
    if _grows(net, first):
        return start + 1
    # Branches that are concatenated end a block (SqueezeNet's fire module): they begin one only if they are all of it.
    if first.concatenates(net) and net.shapes[first.exit] != before:
        return None
    for end in range(start + 1, len(links) + 1):
        if end > start + 1 and _is_residual_block(net, links[end - 1]):
            return None  # it would be half of this block
        # A depthwise convolution alone is half a block.
        if net.shapes[links[end - 1].exit] == before and any(link.mixes(net) for link in links[start:end]):
            return end
        # Past a change of the map's size begins another stage.
        if net.shapes[links[end - 1].exit][1:] != before[1:]:
            return None
    return None


def _is_residual_block(net: Network, link: Link) -> bool:
    return net.shapes[link.entry] == net.shapes[link.exit] and _has_shortcut(net, link)


def _has_shortcut(net: Network, link: Link) -> bool:
    """Whether the block's input is added to, or kept beside, what the block computes."""
    return any(isinstance(net[n].op, ops.Add | ops.Concat) and link.entry in net[n].inputs for n in link.nodes)


def _grows(net: Network, link: Link) -> bool:
    """Whether it is a dense layer: its input, then its own maps (Huang et al. 2017)."""
    return isinstance(net[link.exit].op, ops.Concat) and link.entry in net[link.exit].inputs


def _neighbours(atoms: Sequence[Link]) -> Iterator[list[Link]]:
    row: list[Link] = []
    for atom in atoms:
        if row and row[-1].exit != atom.entry:
            yield row
            row = []
        row.append(atom)
    if row:
        yield row


def _runs(net: Network, row: Sequence[Link]) -> Iterator[list[Link]]:
    """A row of neighbours as runs of equal blocks: a, b, a, b are two blocks (a, b); what has no like is one block."""
    signs = [_signature(net, link) for link in row]
    start = 0
    alone: list[Link] = []
    while start < len(row):
        period, copies = _repetition(signs, start)
        if copies == 1:
            alone.append(row[start])
            start += 1
            continue
        if alone:
            yield [_joined(alone)]
            alone = []
        ends = range(start, start + period * copies, period)
        yield [_joined(row[i : i + period]) for i in ends]
        start += period * copies
    if alone:
        yield [_joined(alone)]


def _repetition(signs: Sequence[object], start: int) -> tuple[int, int]:
    """(length, copies) of the shortest piece that follows itself from here; one copy if none does."""
    for period in range(1, (len(signs) - start) // 2 + 1):
        piece, copies = signs[start : start + period], 1
        while signs[start + copies * period : start + (copies + 1) * period] == piece:
            copies += 1
        if copies > 1:
            return period, copies
    return 1, 1


def _joined(links: Sequence[Link]) -> Link:
    return Link(links[0].entry, tuple(name for link in links for name in link.nodes))


def _signature(net: Network, link: Link) -> object:
    """Equal for blocks that compute alike, whatever their layers are called. Rates of dropout do not count."""
    places = {link.entry: -1, **{name: i for i, name in enumerate(link.nodes)}}
    return tuple(
        (op.kind if op.training_only else op, tuple(places.get(source, source) for source in net[name].inputs))
        for name in link.nodes
        for op in (net[name].op,)
    )


def _is_opened(net: Network, links: Sequence[Link], first: Link) -> bool:
    """Whether a block like these, but for its shapes and its shortcut, ends where they begin."""
    before = [link for link in links if link.exit == first.entry]
    if not before or _grows(net, first):
        return False
    if _has_shortcut(net, first) and any(isinstance(net[name].op, ops.Add) for name in before[0].nodes):
        return True
    own: list[str] = []  # of what stands between the last block with a sum and this one
    for link in links[: links.index(before[0]) + 1]:
        summed = any(isinstance(net[name].op, ops.Add) for name in link.nodes)
        own = [] if summed else [*own, *link.nodes]
    kinds = _kinds(net, first.nodes)
    return _kinds(net, own)[-len(kinds) :] == kinds


def _kinds(net: Network, names: Sequence[str]) -> list[str]:
    found = (net[name].op for name in names)
    return [op.kind for op in found if not op.training_only and not isinstance(op, ops.Add)]


def _names(net: Network, stage: Stage, template: Template, added: int) -> list[dict[str, str]]:
    """New names for the layers of the block that is repeated, once for each copy."""
    taken = {node.name for node in net} | {INPUT}
    last = tuple(node.name for node in template)
    place, step = _counted(stage.blocks, last)
    found: list[dict[str, str]] = []
    number = 0
    while len(found) < added:
        number += 1
        renamed = {name: _counted_on(name, place, number * step) for name in last}
        if taken.isdisjoint(renamed.values()) and len(set(renamed.values())) == len(last):
            taken.update(renamed.values())
            found.append(renamed)
    return found


def _counted_on(name: str, place: int | None, more: int) -> str:
    parts = re.split(r"(\d+)", name)
    if place is None or place >= len(parts):
        return f"{name}_{more + 1}"
    parts[place] = str(int(parts[place]) + more)
    return "".join(parts)


def _counted(blocks: Sequence[Block], repeated: Block) -> tuple[int | None, int]:
    """Which number in the names counts the blocks, and by how much it grows: of (layer1.1.conv, layer1.2.conv) the
    second, by 1. None if no number does."""
    last = [re.split(r"(\d+)", name) for name in repeated]
    if len(blocks) > 1:
        before = [re.split(r"(\d+)", name) for name in blocks[-2]]
        steps: Counter[tuple[int, int]] = Counter()
        for old, new in zip(before, last, strict=True):
            differ = [i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b]
            if len(old) != len(new) or len(differ) != 1 or not new[differ[0]].isdigit():
                return None, 1
            steps[differ[0], int(new[differ[0]]) - int(old[differ[0]])] += 1
        return next(iter(steps)) if len(steps) == 1 and next(iter(steps))[1] > 0 else (None, 1)
    shortest = min(len(parts) for parts in last)
    numbers = [i for i in range(1, shortest, 2) if len({parts[i] for parts in last}) == 1]
    return (numbers[-1], 1) if numbers else (None, 1)


def _obstacle(net: Network) -> str:
    links = [link for link in chain_of(net) if link.mixes(net)]
    if len(links) < 2:
        return f"what leads to {net.output} is one block, whose parts read one another"
    nearest = links[0]
    before, after = ("x".join(map(str, net.shapes[name])) for name in (nearest.entry, nearest.exit))
    return f"{nearest.exit}, for one, gets {before} and gives {after}"
