"""Receptive fields, against the image and against what is on it."""

from __future__ import annotations

from collections.abc import Iterator

from convsmith.design.lint.facts import Facts, looks_around
from convsmith.design.lint.finding import Fault, rule
from convsmith.network import ops
from convsmith.network.dims import text
from convsmith.network.network import INPUT, Node

UNPRODUCTIVE_SHARE = 0.5
"""Of the convolutions, above which the receptive field is called far larger than the image."""

POOLS = (ops.AdaptiveAvgPool, ops.AdaptiveMaxPool, ops.AvgPool, ops.MaxPool, ops.Reduce)


@rule(
    "CS110",
    "small-field",
    rationale="Before a global pooling each position votes alone: one that sees less than the object knows parts only.",
    source="Araujo et al. 2019, Computing receptive fields of convolutional neural networks (Distill), section 4; "
    "Luo et al. 2016 (arXiv 1701.04128): the effective field is smaller still",
)
def small_field(facts: Facts) -> Iterator[Fault]:
    pool = _global_pool(facts)
    if pool is None or pool.inputs[0] == INPUT:
        return
    if facts.field_sides.get(pool.inputs[0], (0, 0))[1] >= max(facts.net.input[1:]):
        return
    size = facts.cost.fields[pool.inputs[0]].size
    what, needed = "the image", tuple(facts.net.input[1:])
    if facts.images is not None:
        what = "the object, as the median training image has it"
        needed = tuple(round(side * share) for side, share in zip(needed, facts.images.object_share, strict=True))
    if all(own < other for own, other in zip(size, needed, strict=True)):
        last = next((n for n in reversed(tuple(facts.before(pool))) if looks_around(n.op)), pool)
        yield Fault(
            (last.name,),
            f"each position sees {text(tuple(map(int, size)))} pixels of the image, less than {what}, {text(needed)}",
            "more convolutions, stride, dilation, or larger kernels, until the field covers it",
        )


@rule(
    "CS111",
    "oversized-field",
    rationale="A convolution whose input has seen the whole image along every path adds depth, but no context.",
    source="Richter et al. 2021, Should you go deeper? (arXiv 2106.12307), section 4: layers behind this border do not "
    "add to accuracy; with shortcuts, the shortest path counts",
)
def oversized_field(facts: Facts) -> Iterator[Fault]:
    height, width = facts.net.input[1:]
    looking = [node for node in facts.nodes if looks_around(node.op) and facts.side(node.inputs[0]) > 1]
    sides = facts.field_sides
    beyond = [node.name for node in looking if sides.get(node.inputs[0], (0, 0))[0] > max(height, width)]
    if len(beyond) > UNPRODUCTIVE_SHARE * len(looking) and len(beyond) > 2:
        yield Fault(
            tuple(beyond),
            f"{len(beyond)} of {len(looking)} convolutions read maps whose every position has already seen more than "
            f"the image of {height}x{width}",
            "fewer layers, less stride before them, or a larger image",
        )


def _global_pool(facts: Facts) -> Node | None:
    """The layer of the trunk that leaves one position of a map."""
    for node in facts.trunk:
        if isinstance(node.op, POOLS) and facts.side(node.inputs[0]) > 1:
            shape = facts.shapes[node.name]
            if tuple(shape[1:]) in ((1, 1), ()):
                return node
    return None
