"""A network in as few boxes as a picture can bear: layers folded into units, units into blocks, equal blocks into one.

Four levels, from fine to coarse; `outline` takes the first that is small enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal, TypeAlias

from convsmith.network import ops
from convsmith.network.describe import describe
from convsmith.network.dims import text
from convsmith.network.network import INPUT, Network, Node

Kind = Literal["data", "convolution", "depthwise", "dense", "pooling", "joining", "other", "block"]
MOST_BOXES = 40
MOST_LINES = 6
FOLDED: dict[type[ops.Op], str] = {
    ops.Activation: "",
    ops.BatchNorm: "norm",
    ops.Affine: "affine",
    ops.LocalResponseNorm: "LRN",
    ops.GroupNorm: "group norm",
    ops.InstanceNorm: "instance norm",
    ops.LayerNorm: "layer norm",
    ops.RMSNorm: "RMS norm",
    ops.LeakyReLU: "leaky relu",
    ops.PReLU: "prelu",
    ops.ELU: "elu",
    ops.CELU: "celu",
    ops.Clip: "",
    ops.Softmax: "softmax",
    ops.LogSoftmax: "log softmax",
    ops.Scale: "scale",
    ops.SkipInit: "gain",
    ops.Dropout: "dropout",
    ops.StochasticDepth: "drop path",
    ops.Flatten: "flatten",
}
"""Ops that share the box of the layer that they follow, and what they are called there."""
KINDS: dict[type[ops.Op], Kind] = {
    ops.Conv: "convolution",
    ops.ConvTranspose: "convolution",
    ops.TableConv: "convolution",
    ops.Linear: "dense",
    ops.MatMul: "dense",
    ops.RadialBasis: "dense",
    ops.MaxPool: "pooling",
    ops.AvgPool: "pooling",
    ops.AdaptiveAvgPool: "pooling",
    ops.AdaptiveMaxPool: "pooling",
    ops.LpPool: "pooling",
    ops.Reduce: "pooling",
    ops.Add: "joining",
    ops.Multiply: "joining",
    ops.Subtract: "joining",
    ops.Divide: "joining",
    ops.Maximum: "joining",
    ops.Minimum: "joining",
    ops.Power: "joining",
    ops.Concat: "joining",
}


@dataclass(frozen=True, slots=True)
class Box:
    """One box: the layers in it, in order; what it says; the frame around it, named as the block is."""

    layers: tuple[str, ...]
    kind: Kind
    lines: tuple[str, ...]
    frame: str = ""
    repeats: int = 1
    shortcut: bool = False
    """Whether a block drawn as one box adds what enters it."""

    @property
    def name(self) -> str:
        return self.layers[0]


Block: TypeAlias = list[Box]
"""The units of a block, or a unit outside any block."""


@dataclass(frozen=True, slots=True)
class Outline:
    """Boxes in order, the arrows between them by index, the size of the feature map that leaves each, the output."""

    boxes: tuple[Box, ...]
    arrows: tuple[tuple[int, int], ...]
    sizes: tuple[str, ...]
    output: int


def outline(net: Network, most: int = MOST_BOXES) -> Outline:
    """At most `most` boxes where blocks or stages allow it."""
    units = _units(net)
    blocks = _grouped(units, [net[box.name].block for box in units])
    stages = _grouped(units, [net[box.name].stage for box in units])
    runs = _runs(net, blocks)
    levels = (
        [box for block in blocks for box in _framed(net, [block])],
        [box for run in runs for box in _framed(net, run)],
        [_summary(run[0], net[run[0][0].name].block, len(run)) for run in runs],
        [_summary(stage, net[stage[0].name].stage, 1) for stage in stages],
    )
    boxes = next((level for level in levels if len(level) <= most), levels[-1])
    return _connected(net, boxes, runs)


def _units(net: Network) -> list[Box]:
    """Each layer with the norms and functions that follow it."""
    readers = Counter(source for node in net for source in node.inputs)
    units: list[list[Node]] = []
    ending: dict[str, list[Node]] = {}
    for node in net:
        unit = ending.get(node.inputs[0]) if node.inputs else None
        alone = bool(node.inputs) and readers[node.inputs[0]] == 1 and type(node.op) in FOLDED
        if unit and alone and unit[0].block == node.block:
            unit.append(node)
        else:
            unit = [node]
            units.append(unit)
        ending[node.name] = unit
    return [_unit(unit) for unit in units]


def _unit(nodes: Sequence[Node]) -> Box:
    first, *rest = (node.op for node in nodes)
    kind = KINDS.get(type(first), "other")
    if isinstance(first, ops.Conv) and describe(first).startswith("depthwise"):
        kind = "depthwise"
    folded = [FOLDED[type(op)] or describe(op) for op in rest if not isinstance(op, ops.Flatten)]
    label = describe(first) if type(first) not in FOLDED else FOLDED[type(first)] or describe(first)
    return Box(tuple(node.name for node in nodes), kind, (label, " · ".join(folded)) if folded else (label,))


def _grouped(units: Sequence[Box], names: Sequence[str]) -> list[Block]:
    """Neighbours of one name together; units without a name each by themselves."""
    keys = [name or f"/{i}" for i, name in enumerate(names)]
    pairs = groupby(zip(keys, units, strict=True), key=lambda pair: pair[0])
    return [[unit for _, unit in group] for _, group in pairs]


def _runs(net: Network, blocks: Sequence[Block]) -> list[list[Block]]:
    """Chains of equal blocks."""
    runs: list[list[Block]] = []
    for block in blocks:
        last = runs[-1][-1] if runs else []
        if _form(net, block) == _form(net, last) and _follows(net, block, last):
            runs[-1].append(block)
        else:
            runs.append([block])
    return runs


def _nodes(net: Network, block: Block) -> list[Node]:
    return [net[name] for box in block for name in box.layers]


def _form(net: Network, block: Block) -> tuple[object, ...]:
    """Equal for blocks of the same ops, wired alike."""
    index = {node.name: i for i, node in enumerate(_nodes(net, block))}
    return tuple((node.op, tuple(index.get(source, -1) for source in node.inputs)) for node in _nodes(net, block))


def _follows(net: Network, block: Block, before: Block) -> bool:
    """Whether all that enters a block comes from the one before it."""
    inside = {node.name for node in _nodes(net, block)}
    allowed = inside | {node.name for node in _nodes(net, before)}
    return all(source in allowed for node in _nodes(net, block) for source in node.inputs)


def _framed(net: Network, run: Sequence[Block]) -> list[Box]:
    """The units of the first block of a run, in one frame."""
    first, last = (net[block[0].name].block or block[0].name for block in (run[0], run[-1]))
    if len(run[0]) == 1 and len(run) == 1:
        return list(run[0])
    frame = first if len(run) == 1 else f"{first} to {last}"
    return [replace(box, frame=frame, repeats=len(run)) for box in run[0]]


def _summary(block: Block, name: str, repeats: int) -> Box:
    """A whole block as one box that lists what is in it."""
    if len(block) == 1:
        return replace(block[0], repeats=repeats)
    listed = [box.lines[0] for box in block]
    counted = [f"{n} x {line}" if n > 1 else line for line, n in Counter(listed).items()]
    hidden = len(counted) - MOST_LINES
    shown = [*counted[:MOST_LINES], f"and {hidden} more"] if hidden > 1 else counted
    layers = tuple(name for box in block for name in box.layers)
    shortcut = any(box.lines[0] == "add" for box in block)
    return Box(layers, "block", (name, *shown), repeats=repeats, shortcut=shortcut)


def _connected(net: Network, boxes: Sequence[Box], runs: Sequence[Sequence[Block]]) -> Outline:
    """Arrows between boxes. A layer of a block that is not drawn is where its equal in the first of the run is."""
    ends = {net.output: "output", **{head.node: f"auxiliary output x {head.weight:g}" for head in net.auxiliary}}
    inner = Box((INPUT,), "data", ("input",))
    outer = [Box((f"{name}/output",), "data", (label,)) for name, label in ends.items()]
    drawn = (inner, *boxes, *outer)
    home = {layer: i for i, box in enumerate(drawn) for layer in box.layers}
    for first, *others in runs:
        for block in others:
            for original, copy in zip(_nodes(net, first), _nodes(net, block), strict=True):
                home.setdefault(copy.name, home[original.name])
    shown = {layer for box in boxes for layer in box.layers}
    arrows = {(home[source], home[node.name]) for node in net if node.name in shown for source in node.inputs}
    arrows |= {(home[name], home[f"{name}/output"]) for name in ends}
    sizes = tuple(_size(net, box) if box not in outer else "" for box in drawn)
    return Outline(drawn, tuple(sorted((a, b) for a, b in arrows if a != b)), sizes, home[f"{net.output}/output"])


def _size(net: Network, box: Box) -> str:
    """What leaves a box; before it is flattened, because 16x5x5 says more than 400."""
    last = box.layers[-1]
    if last != INPUT and isinstance(net[last].op, ops.Flatten):
        last = net[last].inputs[0]
    return text(net.shapes[last])
