"""Rules for what joins values along an axis, or takes a part of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from convsmith.backend.read.onnx.fold import listed, slices, split_sizes
from convsmith.backend.read.onnx.graph import OnnxNode
from convsmith.backend.read.onnx.reader import Reader, base, rule
from convsmith.backend.read.onnx.rules.arithmetic import constant, together
from convsmith.backend.read.onnx.rules.rearrange import reshape
from convsmith.backend.read.onnx.values import Constant, Feature
from convsmith.errors import ReadError
from convsmith.network import ops

PAD_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
MOST_PIECES = 64
"""A choice of channels that falls into more runs than this is refused: each is a node."""


@rule("Concat")
def _(node: OnnxNode, reader: Reader) -> Feature:
    names = [name for name in node.inputs if reader.constant(name) is None]
    known = [reader.constant(name) for name in node.inputs]
    features = together(node, reader, names, [reader.feature(name) for name in names])
    if len(names) < len(known):
        given = iter(features)
        features = [_beside(node, reader, one, features[0]) if one else next(given) for one in known]
    axis = features[0].axis(node.integer("axis", 1))
    if len(features) == 1:
        return features[0]
    return replace(reader.emit(node, ops.Concat(axis), *map(base, features)), axes=features[0].axes)


def _beside(node: OnnxNode, reader: Reader, known: Constant, x: Feature) -> Feature:
    """A constant that is joined to what depends on the image, the same for each image of a batch."""
    if known.array.ndim != x.rank:
        raise ReadError(f"joins a constant of {known.array.ndim} axes to a value of {x.rank}")
    whole = known.array.transpose(np.argsort(x.axes).tolist())
    if len(whole) not in (1, reader.batch) or not np.array_equal(whole[:1], whole[-1:]):
        raise ReadError("has a constant for each image of a batch")
    made = constant(node, reader, Constant(whole[0], known.origin), reader.is_parameter(known))
    return replace(made, axes=x.axes)


@rule("Split")
def _(node: OnnxNode, reader: Reader) -> list[Feature]:
    x = reader.feature(node.input(0))
    axis = x.axis(node.integer("axis", 0))
    sizes = split_sizes(node, [None, reader.array(node, 1)], x.shape[axis])
    ends = [sum(sizes[:count]) for count in range(len(sizes) + 1)]
    return [_cut(node, reader, x, axis, slice(start, stop)) for start, stop in pairwise(ends)]


@rule("Slice")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x = reader.feature(node.input(0))
    arrays = [None, *(reader.array(node, index) for index in range(1, 5))]
    for seen, cut in enumerate(slices(node, arrays, x.rank)):
        size = x.sizes(reader.batch)[seen]
        if cut.indices(size) != (0, size, 1):
            x = _cut(node, reader, x, x.axis(seen), cut)
    return x


def _cut(node: OnnxNode, reader: Reader, x: Feature, axis: int, cut: slice) -> Feature:
    start, stop, step = cut.indices(x.shape[axis])
    if step < 1:
        raise ReadError("reverses an axis", advice="a network goes through its axes forwards")
    if (start, stop, step) == (0, x.shape[axis], 1):
        return x
    return replace(reader.emit(node, ops.Slice(start, stop, axis, step), base(x)), axes=x.axes)


@rule("Gather")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x, index = reader.feature(node.input(0)), reader.weight(node, 1).array
    seen = node.integer("axis", 0)
    axis = x.axis(seen)
    size = x.shape[axis]
    places = [int(i) + size if i < 0 else int(i) for i in index.ravel()]
    if index.ndim > 1 or not places or not 0 <= min(places) <= max(places) < size:
        raise ReadError(f"takes the places {places[:4]}... of {size}")
    runs = _runs(places)
    if len(runs) > MOST_PIECES:
        raise ReadError(f"picks {len(runs)} pieces of an axis", advice="let the layer before put them in order")
    pieces = [_cut(node, reader, x, axis, slice(start, stop)) for start, stop in runs]
    if len(pieces) > 1:
        joined = reader.emit(node, ops.Concat(axis), *map(base, pieces))
        return replace(joined, axes=x.axes)
    if index.ndim:
        return pieces[0]
    sizes = list(pieces[0].sizes(reader.batch))
    del sizes[seen]
    return reshape(node, reader, pieces[0], sizes)


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """(start, stop) of each run of neighbours."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and runs[-1][1] == place:
            runs[-1] = (runs[-1][0], place + 1)
        else:
            runs.append((place, place + 1))
    return runs


@rule("Pad")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x = reader.feature(node.input(0))
    pads = listed(node, "pads", [None, reader.array(node, 1)], 1) or node.integers("paddings") or ()
    given = reader.array(node, 3)
    axes = tuple(range(x.rank)) if given is None else tuple(int(axis) % x.rank for axis in given.ravel())
    if len(pads) != 2 * len(axes):
        raise ReadError(f"has {len(pads)} sizes of padding for {len(axes)} axes")
    around = dict.fromkeys(range(x.rank), (0, 0))
    for axis, before, after in zip(axes, pads, pads[len(axes) :], strict=False):
        around[x.axes[axis]] = (before, after)
    if set(around.values()) == {(0, 0)}:
        return x
    if len(x.shape) != 3 or around[0] != (0, 0):
        raise ReadError("pads what is no feature map")
    mode = PAD_MODES.get(node.word("mode", "constant"))
    if mode is None:
        raise ReadError(f"pads by {node.word('mode', '')!r}", advice=f"known: {', '.join(PAD_MODES)}")
    op = ops.Pad((*around[2], *around[3]), around[1], mode, _filler(node, reader))  # type: ignore[arg-type]
    return replace(reader.emit(node, op, base(x)), axes=x.axes)


def _filler(node: OnnxNode, reader: Reader) -> float:
    array = reader.array(node, 2)
    return node.number("value", 0.0) if array is None else float(array.reshape(()))
