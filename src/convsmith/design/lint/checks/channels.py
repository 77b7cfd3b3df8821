"""How many filters there are, and how their number changes with depth."""

from __future__ import annotations

from collections.abc import Iterator

from convsmith.design.lint.facts import WEIGHTED, Facts, is_depthwise, kernel_of
from convsmith.design.lint.finding import Fault, rule
from convsmith.network import ops
from convsmith.network.network import Node

SIGNIFICANT_WIDTH = 32
"""Channels from which a layer is wide enough for the hardware's vectors and tiles to matter."""
SIGNIFICANT_SHARE = 0.02
"""Of the network's multiply-adds, below which a layer's speed does not matter."""
VECTOR = 8
"""Channels that tensor cores (float16) and AVX (float32) take at once."""


@rule(
    "CS201",
    "shrinking-filters",
    rationale="Maps shrink with depth while patterns become more various: filters grow, 32, 64, 128. Decoders, "
    "bottlenecks and 1x1 reductions have cause to shrink.",
    source="Simonyan and Zisserman 2014 (arXiv 1409.1556), table 1; He et al. 2015 (arXiv 1512.03385), section 3.3",
)
def shrinking_filters(facts: Facts) -> Iterator[Fault]:
    maps = [node for node in facts.trunk if len(facts.shapes[node.name]) == 3 and _changes_width(node)]
    widths = [int(facts.shapes[node.name][0]) for node in maps]
    for i in range(1, len(maps)):
        node, before, now = maps[i], widths[i - 1], widths[i]
        if now >= before or node is facts.classifier or kernel_of(node.op) == (1, 1):
            continue
        if any(later >= before for later in widths[i + 1 :]) or _enlarged(facts, node):
            continue
        yield Fault(
            (node.name,),
            f"{before} maps become {now}, and no later layer has as many again",
            f"at least {before} filters here, or fewer before",
        )


@rule(
    "CS202",
    "awkward-channels",
    rationale="Vectors and tensor cores take 8 channels at a time: a width between two multiples runs like the larger.",
    source="NVIDIA, Convolutional Layers User's Guide, section 'Channels in and out'; Sandler et al. 2018 "
    "(arXiv 1801.04381): widths are rounded to multiples of 8",
)
def awkward_channels(facts: Facts) -> Iterator[Fault]:
    macs = {row.name: int(row.macs) for row in facts.cost.layers}
    total = max(1, sum(macs[node.name] for node in facts.nodes))
    found: dict[int, list[str]] = {}
    for node in facts.nodes:
        width = _width(node)
        significant = width >= SIGNIFICANT_WIDTH and macs[node.name] >= SIGNIFICANT_SHARE * total
        if significant and width % VECTOR and node is not facts.classifier:
            found.setdefault(width, []).append(node.name)
    for width, names in found.items():
        lower, upper = width // VECTOR * VECTOR, -(-width // VECTOR) * VECTOR
        yield Fault(
            tuple(names), f"{width} channels are no multiple of {VECTOR}", f"{lower} or {upper} channels (as fast)"
        )


def _changes_width(node: Node) -> bool:
    return isinstance(node.op, (*WEIGHTED, ops.Concat, ops.Add)) and not is_depthwise(node.op)


def _enlarged(facts: Facts, node: Node) -> bool:
    """Whether maps have become larger somewhere before: this is a decoder."""
    return isinstance(node.op, ops.ConvTranspose) or any(
        isinstance(other.op, (ops.Upsample, ops.Resize, ops.ConvTranspose, ops.PixelShuffle))
        for other in facts.before(node)
    )


def _width(node: Node) -> int:
    if isinstance(node.op, (ops.Conv, ops.ConvTranspose)):
        return int(node.op.channels)
    return int(node.op.features) if isinstance(node.op, ops.Linear) else 0
