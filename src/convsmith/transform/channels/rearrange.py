"""How channels go through ops that only move, drop or repeat them."""

from __future__ import annotations

from collections.abc import Iterable

from convsmith.network import ops
from convsmith.network.dims import blocks, elements
from convsmith.transform.channels.follow import follow
from convsmith.transform.channels.trace import Axes, Labels, Step


@follow.register
def _(op: ops.Permute, step: Step) -> Axes:
    return tuple(step.axes[axis] for axis in op.axes)


@follow.register
def _(op: ops.Expand, step: Step) -> Axes:
    return tuple(
        step.fresh(after) if before == 1 and after > 1 else labels
        for labels, before, after in zip(step.axes, step.shapes[0], step.output, strict=True)
    )


@follow.register
def _(op: ops.Repeat, step: Step) -> Axes:
    return tuple(None if labels is None else labels * times for labels, times in zip(step.axes, op.times, strict=True))


@follow.register
def _(op: ops.Slice, step: Step) -> Axes:
    """Any channels may go where every one is taken; of every n-th, only n neighbours together."""
    labels = step.axes[op.axis]
    if labels is None:
        return step.axes
    if op.step > 1:
        for first in range(0, len(labels), op.step):
            step.merge(labels[first : first + op.step])
    return (*step.axes[: op.axis], labels[op.start : op.stop : op.step], *step.axes[op.axis + 1 :])


@follow.register
def _(op: ops.ChannelShuffle, step: Step) -> Axes:
    labels = step.labels(0)
    size = len(labels) // op.groups
    for place in range(size):
        step.merge(labels[place::size])
    return ([labels[group * size + place] for place in range(size) for group in range(op.groups)], *step.axes[1:])


@follow.register
def _(op: ops.Pad, step: Step) -> Axes:
    labels = step.axes[0]
    if op.channels != (0, 0):
        front, back = op.channels
        labels = step.labels(0)
        labels = labels[max(0, -front) : len(labels) - max(0, -back)]
        labels = [*step.fresh(max(0, front)), *labels, *step.fresh(max(0, back))]
    if any(op.padding):
        step.keep_positions("pads them")
    return (labels, *step.axes[1:])


@follow.register
def _(op: ops.PixelShuffle, step: Step) -> Axes:
    labels, area = step.labels(0), op.factor * op.factor
    for first in range(0, len(labels), area):
        step.merge(labels[first : first + area])
    return (labels[::area], *step.keep_positions("moves channels between them"))


@follow.register
def _(op: ops.PixelUnshuffle, step: Step) -> Axes:
    labels, area = step.labels(0), op.factor * op.factor
    return ([label for label in labels for _ in range(area)], *step.keep_positions("makes channels of them"))


@follow.register(ops.Flatten)
@follow.register(ops.Reshape)
def _(op: ops.Flatten | ops.Reshape, step: Step) -> Axes:
    found: list[Labels | None] = [None] * len(step.output)
    for old, new in blocks(step.shapes[0], step.output):
        labelled = [axis for axis in old if step.axes[axis] is not None]
        if not labelled:
            continue
        chosen = max(labelled, key=lambda axis: len(set(step.labels(axis))))
        for axis in labelled:
            if axis != chosen:
                step.keep(step.axes[axis], "mixes two axes of channels")
        cells = _cells(step, chosen, old)
        axis = _finest(step, cells, new)
        slices = _slices(cells, step.output[axis], elements(step.output[axis + 1 : new.stop]))
        for members in slices:
            step.merge(members)
        found[axis] = [members[0] for members in slices]
    return tuple(found)


def _cells(step: Step, chosen: int, old: range) -> Labels:
    """The label of every element of neighbouring axes, in their order."""
    inner, labels = elements(step.shapes[0][chosen + 1 : old.stop]), step.labels(chosen)
    outer = elements(step.shapes[0][old.start : chosen])
    return [label for _ in range(outer) for label in labels for _ in range(inner)]


def _slices(cells: Labels, side: int, inner: int) -> list[Labels]:
    """The elements with each index of an axis of this length, which `inner` elements lie behind."""
    found: list[Labels] = [[] for _ in range(side)]
    for place in range(0, len(cells), inner):
        found[place // inner % side].extend(cells[place : place + inner])
    return found


def _finest(step: Step, cells: Labels, new: range) -> int:
    """The axis along which the most channels can still be told apart: of heads times width, the width."""
    wide = [axis for axis in new if step.output[axis] > 1]
    if len(wide) < 2:
        return wide[0] if wide else new.start
    return max(wide, key=lambda axis: (_apart(step, _slices(cells, *_geometry(step, axis, new))), axis))


def _geometry(step: Step, axis: int, new: range) -> tuple[int, int]:
    return step.output[axis], elements(step.output[axis + 1 : new.stop])


def _apart(step: Step, slices: Iterable[Labels]) -> int:
    """How many sets there would be if each slice's labels were one."""
    sets: list[set[int]] = []
    for members in slices:
        joined = {step.trace.find(label) for label in members}
        apart = []
        for other in sets:
            if other & joined:
                joined |= other
            else:
                apart.append(other)
        sets = [*apart, joined]
    return len(sets)
