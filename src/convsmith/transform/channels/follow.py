"""How channels go through each op: which of its parameters' indices they are, which it ties together, which it needs.

An op is cut only where what is left computes exactly what it did with the removed channels at zero. A rule says of
other channels why they are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import singledispatch

from convsmith.errors import UsageError
from convsmith.network import ops
from convsmith.network.dims import Shape
from convsmith.transform.channels.trace import Axes, Labels, Step


@singledispatch
def follow(op: ops.Op, step: Step) -> Axes:
    """The labels of the op's output, by axis. Raises UsageError for an op without a rule."""
    raise UsageError(f"{step.node.name}: op {type(op).__name__} has no rule for its channels")


def _same(op: ops.Op, step: Step) -> Axes:
    return step.axes


def _per_channel(op: ops.Op, step: Step) -> Axes:
    """One number for each channel, in each parameter."""
    labels = step.labels(0)
    step.slots(0, labels, "channel")
    return (labels, *step.axes[1:])


def _windows(op: ops.Op, step: Step) -> Axes:
    """Each channel by itself, over positions."""
    return (step.axes[0], *step.keep_positions())


ALONE: tuple[type[ops.Op], ...] = (
    ops.Activation, ops.AlphaDropout, ops.CELU, ops.Clip, ops.Dropout, ops.ELU, ops.Hardshrink, ops.LeakyReLU,
    ops.Quantize, ops.Scale, ops.SkipInit, ops.Softplus, ops.Softshrink, ops.StochasticDepth,
)  # fmt: skip
"""What treats every element alike."""
WITH_NUMBERS: tuple[type[ops.Op], ...] = (ops.Affine, ops.BatchNorm, ops.FixedNorm)
OVER_WINDOWS: tuple[type[ops.Op], ...] = (
    ops.AdaptiveAvgPool, ops.AdaptiveMaxPool, ops.AvgPool, ops.LpPool, ops.MaxPool, ops.Resize, ops.Upsample,
)  # fmt: skip
JOINTS: tuple[type[ops.Op], ...] = (
    ops.Add, ops.Subtract, ops.Multiply, ops.Divide, ops.Maximum, ops.Minimum, ops.Power,
)  # fmt: skip


def _register(kinds: Iterable[type[ops.Op]], rule: Callable[[ops.Op, Step], Axes]) -> None:
    for kind in kinds:
        follow.register(kind, rule)


_register(ALONE, _same)
_register(WITH_NUMBERS, _per_channel)
_register(OVER_WINDOWS, _windows)


@follow.register
def _(op: ops.PReLU, step: Step) -> Axes:
    return _per_channel(op, step) if op.per_channel else step.axes


def whole_groups(op: ops.Conv | ops.ConvTranspose, before: int) -> bool:
    """Whether a grouped convolution loses groups as a whole, or the same channels of every group: whichever is finer.

    Of a depthwise convolution a group is one channel.
    """
    return bool(op.groups > 1 and op.groups >= max(before // op.groups, op.channels // op.groups))


def _tie_groups(op: ops.Conv | ops.ConvTranspose, step: Step, before: Labels, after: Labels) -> tuple[int, int]:
    """Ties what a grouped convolution can only lose together. Returns the channels of a group (before, after)."""
    into, out = len(before) // op.groups, len(after) // op.groups
    if whole_groups(op, len(before)):
        for group in range(op.groups):
            step.merge([*before[group * into : (group + 1) * into], *after[group * out : (group + 1) * out]])
    elif op.groups > 1:
        for place in range(into):
            step.merge(before[place::into])
        for place in range(out):
            step.merge(after[place::out])
    return into, out


@follow.register
def _(op: ops.Conv, step: Step) -> Axes:
    before, after = step.labels(0), step.fresh(op.channels)
    into, _ = _tie_groups(op, step, before, after)
    step.slot("weight", 0, after, "output")
    if not whole_groups(op, len(before)):
        step.slot("weight", 1, before[:into], "input")
        if isinstance(op, ops.StandardizedConv):
            step.keep(before, "standardises each filter over all that it reads")
    if op.bias:
        step.slot("bias", 0, after, "channel")
    if isinstance(op, ops.StandardizedConv):
        step.slot("gain", 0, after, "channel")
    return (after, *step.keep_positions())


@follow.register
def _(op: ops.ConvTranspose, step: Step) -> Axes:
    before, after = step.labels(0), step.fresh(op.channels)
    _, out = _tie_groups(op, step, before, after)
    if whole_groups(op, len(before)):
        step.slot("weight", 0, before, "output")
    else:
        step.slot("weight", 0, before, "input")
        step.slot("weight", 1, after[:out], "output")
    if op.bias:
        step.slot("bias", 0, after, "channel")
    return (after, *step.keep_positions())


@follow.register
def _(op: ops.TableConv, step: Step) -> Axes:
    """A connection goes with the map that it makes, and with the map that it reads; no map is left without any."""
    before, after = step.labels(0), step.fresh(len(op.table))
    step.slot("weight", 0, [label for label, row in zip(after, op.table, strict=True) for _ in row], "output")
    step.slot("weight", 0, [before[j] for row in op.table for j in row], "input")
    step.slot("bias", 0, after, "channel")
    step.trace.spans.extend([before[j] for j in row] for row in op.table)
    return (after, *step.keep_positions())


@follow.register
def _(op: ops.Linear, step: Step) -> Axes:
    after = step.fresh(op.features)
    step.slot("weight", 0, after, "output")
    step.slot("weight", 1, step.labels(len(step.axes) - 1), "input")
    if op.bias:
        step.slot("bias", 0, after, "channel")
    return (*step.axes[:-1], after)


@follow.register
def _(op: ops.RadialBasis, step: Step) -> Axes:
    step.keep(step.axes[0], "compares them with fixed codes")
    return (None,)


@follow.register
def _(op: ops.MatMul, step: Step) -> Axes:
    one, other = step.inputs
    step.meet(one[-1], other[-2])
    return (*_broadcast(step, [one[:-2], other[:-2]], [shape[:-2] for shape in step.shapes]), one[-2], other[-1])


def _joint(op: ops.Op, step: Step) -> Axes:
    """Element by element: what is combined are the same channels. A side of 1 is repeated and does not count."""
    return _broadcast(step, step.inputs, step.shapes)


def _broadcast(step: Step, parts: Sequence[Axes], shapes: Sequence[Shape]) -> Axes:
    found: list[Labels | None] = []
    for axis in range(len(shapes[0])):
        most = max(shape[axis] for shape in shapes)
        whole = [part[axis] for part, shape in zip(parts, shapes, strict=True) if shape[axis] == most]
        found.append(step.meet(*whole))
    return tuple(found)


_register(JOINTS, _joint)


@follow.register
def _(op: ops.Concat, step: Step) -> Axes:
    found: list[Labels | None] = []
    for axis in range(len(step.axes)):
        parts = [axes[axis] for axes in step.inputs]
        if axis != op.axis:
            found.append(step.meet(*parts))
        elif all(labels is None for labels in parts):
            found.append(None)
        else:
            found.append([label for index in range(len(parts)) for label in step.labels(axis, index)])
    return tuple(found)


@follow.register
def _(op: ops.Constant, step: Step) -> Axes:
    found: list[Labels | None] = []
    for axis, side in enumerate(op.size):
        labels = step.fresh(side) if side > 1 else None
        if labels is not None:
            step.slot("value", axis, labels, "channel")
        found.append(labels)
    return tuple(found)


def _over(axes: tuple[int, ...], what: str, step: Step) -> Axes:
    """Keeps what an op mixes along these axes."""
    for axis in axes:
        step.keep(step.axes[axis], what)
    return step.axes


@follow.register(ops.Softmax)
@follow.register(ops.LogSoftmax)
def _(op: ops.Softmax, step: Step) -> Axes:
    return _over((op.axis,), "divides by a sum over all of them", step)


@follow.register(ops.LayerNorm)
@follow.register(ops.RMSNorm)
@follow.register(ops.L2Norm)
def _(op: ops.LayerNorm | ops.RMSNorm | ops.L2Norm, step: Step) -> Axes:
    return _over(op.axes, "normalises over all of them", step)


@follow.register
def _(op: ops.LocalResponseNorm, step: Step) -> Axes:
    return _over((0,), "sums over neighbouring channels", step)


@follow.register
def _(op: ops.InstanceNorm, step: Step) -> Axes:
    step.keep_positions("normalises over them")
    return _per_channel(op, step)


@follow.register
def _(op: ops.GroupNorm, step: Step) -> Axes:
    """A group of channels goes as a whole: the others' statistics stay what they were."""
    step.keep_positions("normalises over them")
    labels = step.labels(0)
    size = len(labels) // op.groups
    for first in range(0, len(labels), size):
        step.merge(labels[first : first + size])
    if op.groups == 1:
        step.keep(labels, "normalises over all of them")
    return _per_channel(op, step)


@follow.register
def _(op: ops.Reduce, step: Step) -> Axes:
    _over(op.axes, f"takes the {op.function} of them", step)
    left = [None if axis in op.axes else labels for axis, labels in enumerate(step.axes)]
    return tuple(labels for axis, labels in enumerate(left) if op.keep or axis not in op.axes)
