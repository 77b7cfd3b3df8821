"""Kernels, strides and padding."""

from __future__ import annotations

from collections.abc import Iterator

from convsmith.design.lint.facts import CONVS, Facts, kernel_of, looks_around
from convsmith.design.lint.finding import Fault, rule
from convsmith.design.lint.mends import without_padding
from convsmith.network import ops
from convsmith.network.dims import text
from convsmith.network.network import INPUT, Node
from convsmith.network.ops.window import resolve

SMALL_MAP = 4
"""The side at which most of what a 3x3 kernel reads is border: on a map of 4x4, five of nine windows reach over it."""

WINDOWED = (ops.Conv, ops.MaxPool, ops.AvgPool, ops.LpPool)


@rule(
    "CS100",
    "misfit",
    rationale="A layer whose inputs do not fit, or whose output is empty, cannot be built.",
    source="the op's own shape rule",
)
def misfit(facts: Facts) -> Iterator[Fault]:
    yield from ()  # found by `lint` before any rule is asked


@rule(
    "CS101",
    "even-kernel",
    rationale="An even kernel has no centre pixel: padding is uneven or the map shrinks, and features drift to a side.",
    source="Wu et al. 2019, Convolution with even-sized kernels and symmetric padding (arXiv 1903.08385), section 3",
)
def even_kernel(facts: Facts) -> Iterator[Fault]:
    for node in facts.net:
        kernel = kernel_of(node.op)
        # Patches that do not overlap, and squeezes of a whole map, have no neighbours for a centre to lie between.
        if all(side % 2 for side in kernel if side > 1) or _is_patch(node) or _covers(facts, node):
            continue
        odd = text(tuple(side + 1 - side % 2 for side in kernel))
        yield Fault((node.name,), f"the {text(kernel)} kernel has no centre pixel", f"a {odd} kernel, padded by half")


@rule(
    "CS102",
    "early-stride",
    rationale="Detail that an early stride takes away is gone for every later layer, which then sees mostly padding.",
    source="He et al. 2015 (arXiv 1512.03385), section 4.2: on images of 32x32, no stride in the first third; "
    "Springenberg et al. 2014 (arXiv 1412.6806), section 2",
)
def early_stride(facts: Facts) -> Iterator[Fault]:
    looking = [node for node in facts.nodes if looks_around(node.op) and not _covers(facts, node)]
    small = [node for node in looking if facts.side(node.inputs[0]) <= SMALL_MAP]
    if len(small) * 2 <= len(looking) or facts.side(INPUT) <= SMALL_MAP:
        return
    first = small[0].name
    ancestors = facts.net.ancestors(first)
    strided = [node for node in facts.trunk if node.name in ancestors and _shrinks(facts, node)]
    if not strided or len(small) < 2:
        return
    yield Fault(
        (strided[0].name,),
        f"{len(small)} of {len(looking)} convolutions see a map of {SMALL_MAP}x{SMALL_MAP} or less, from {first} on, "
        f"of an image of {text(facts.net.input[1:])}",
        f"stride 1 here (maps are {strided[0].op.stride[0]} times larger then)",  # type: ignore[attr-defined]
    )


@rule(
    "CS103",
    "unread-pixels",
    rationale="Where strides are larger than kernels, and nothing else reads the map, pixels are computed in vain.",
    source="the reason for ResNet v1.5: the stride moved from the 1x1 to the 3x3 convolution "
    "(Goyal et al. 2017, arXiv 1706.02677, section 5.1)",
)
def unread_pixels(facts: Facts) -> Iterator[Fault]:
    for node in facts.nodes:
        readers = [reader for reader in facts.readers[node.name] if reader.name in facts.main]
        if not readers or node.name in facts.outputs or isinstance(node.op, (ops.Pad, ops.Slice)):
            continue  # what is shifted or cut is a part of the map on purpose
        shares = [_read_share(reader) for reader in readers]
        if max(shares) < 1:
            yield Fault(
                tuple(reader.name for reader in readers),
                f"only {max(shares):.0%} of the map of {node.name} is read: the stride is larger than the kernel",
                "the stride in a layer whose kernel is at least as large, or a pooling of 2x2",
            )


@rule(
    "CS104",
    "early-collapse",
    rationale="On a map of 1x1 a larger kernel multiplies padding: all its weights but the centre's are dead.",
    source="Richter et al. 2021, Should you go deeper? (arXiv 2106.12307), section 3",
)
def early_collapse(facts: Facts) -> Iterator[Fault]:
    wasted = [
        node.name
        for node in facts.nodes
        if looks_around(node.op) and facts.side(node.inputs[0]) == 1 and len(facts.shapes[node.inputs[0]]) == 3
        and max(facts.shapes[node.inputs[0]][1:]) == 1 and not _gates(facts, node)
    ]  # fmt: skip
    if wasted:
        yield Fault(
            tuple(wasted),
            f"the map is 1x1 before {wasted[0]}, which only sees padding around it",
            "less stride and pooling before, a larger image, or kernels of 1x1 from here on",
        )


@rule(
    "CS105",
    "dead-padding",
    rationale="Padding that no window reads costs memory; padding around a 1x1 kernel only adds a frame of biases.",
    source="the arithmetic of windows (Dumoulin and Visin 2016, arXiv 1603.07285, section 2)",
    mend=without_padding,
)
def dead_padding(facts: Facts) -> Iterator[Fault]:
    for node in facts.nodes:
        why = _unread_padding(facts, node)
        if why:
            yield Fault((node.name,), why, "no padding there: the output is the same")


@rule(
    "CS106",
    "padding-only",
    rationale="A window that lies in the padding altogether sees nothing: its output is the bias, for every image.",
    source="the arithmetic of windows (Dumoulin and Visin 2016, arXiv 1603.07285, section 2)",
)
def padding_only(facts: Facts) -> Iterator[Fault]:
    for node in facts.nodes:
        op = node.op
        if not isinstance(op, WINDOWED) or op.padding == "same":
            continue
        extents = [d * (k - 1) + 1 for k, d in zip(op.kernel, getattr(op, "dilation", (1, 1)), strict=True)]
        top, bottom, left, right = op.padding
        if max(top, bottom) >= extents[0] or max(left, right) >= extents[1]:
            kernel = text(tuple(op.kernel))
            yield Fault((node.name,), f"the padding is as wide as the {kernel} window", "half the kernel as padding")


def _is_patch(node: Node) -> bool:
    return isinstance(node.op, ops.Conv) and node.op.stride == node.op.kernel


def _covers(facts: Facts, node: Node) -> bool:
    """Whether the kernel takes in the whole map at once, as a dense layer does."""
    shape = facts.shapes[node.name]
    return isinstance(node.op, CONVS) and tuple(shape[1:]) == (1, 1) and facts.side(node.inputs[0]) > 1


def _shrinks(facts: Facts, node: Node) -> bool:
    return max(getattr(node.op, "stride", (1, 1))) > 1 and facts.side(node.inputs[0]) > facts.side(node.name)


def _gates(facts: Facts, node: Node) -> bool:
    """Whether the layer is on a side way from a pooled map, as gates are."""
    return node.name not in {other.name for other in facts.trunk} and any(
        isinstance(other.op, (ops.AdaptiveAvgPool, ops.AdaptiveMaxPool, ops.Reduce)) for other in facts.before(node)
    )


def _read_share(node: Node) -> float:
    """The share of its input that a layer reads, padding apart."""
    op = node.op
    if not isinstance(op, WINDOWED):
        return 1.0
    share = 1.0
    for kernel, stride, dilation in zip(op.kernel, op.stride, getattr(op, "dilation", (1, 1)), strict=True):
        if stride > kernel and dilation == 1:
            share *= kernel / stride
    return share


def _unread_padding(facts: Facts, node: Node) -> str:
    """Why the padding of a layer does nothing; empty if it does something."""
    op = node.op
    if isinstance(op, ops.Pad):
        return _unread_pad(facts, node)
    if not isinstance(op, WINDOWED) or op.padding in ("same", (0, 0, 0, 0)):
        return ""
    top, _, left, _ = op.padding
    _, height, width = facts.shapes[node.inputs[0]]
    ends = [_last_read(facts, node, axis) for axis in (0, 1)]
    if not top and not left and ends[0] <= height and ends[1] <= width:
        return "no window reaches the padding at the bottom and at the right"
    return ""


def _unread_pad(facts: Facts, node: Node) -> str:
    op = node.op
    assert isinstance(op, ops.Pad)
    if not any(op.padding) and op.channels == (0, 0):
        return "it pads by nothing"
    readers = facts.readers[node.name]
    top, bottom, left, right = op.padding
    if op.channels != (0, 0) or top or left or min(bottom, right) < 0 or node.name in facts.outputs or not readers:
        return ""
    height, width = facts.shapes[node.inputs[0]][1:]
    for reader in readers:
        if not isinstance(reader.op, WINDOWED) or getattr(reader.op, "ceil", False):
            return ""
        if reader.op.padding != (0, 0, 0, 0) or _last_read(facts, reader, 0) > height:
            return ""
        if _last_read(facts, reader, 1) > width:
            return ""
    return "no window of the next layer reaches it"


def _last_read(facts: Facts, node: Node, axis: int) -> int:
    """One more than the last row (axis 0) or column (axis 1) of the input that a window reads."""
    op = node.op
    assert isinstance(op, WINDOWED)
    dilation = getattr(op, "dilation", (1, 1))
    _, *size = facts.shapes[node.inputs[0]]
    before = resolve(op.padding, (size[0], size[1]), op.kernel, op.stride, dilation)[2 * axis]
    steps = facts.shapes[node.name][1 + axis]
    return int((steps - 1) * op.stride[axis] - before + dilation[axis] * (op.kernel[axis] - 1) + 1)
