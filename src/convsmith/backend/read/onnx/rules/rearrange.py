"""Rules for what moves elements without computing: shapes, transposes, slices of one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from convsmith.backend.read.onnx.fold import listed, reshaped
from convsmith.backend.read.onnx.graph import FLOATS, OnnxNode
from convsmith.backend.read.onnx.reader import Reader, base, rule
from convsmith.backend.read.onnx.values import Feature, Value
from convsmith.errors import ReadError
from convsmith.network import ops
from convsmith.network.dims import Shape


@rule("Identity", "Cast", "Dropout")
def _(node: OnnxNode, reader: Reader) -> Value:
    x = reader.feature(node.input(0))
    if node.kind == "Cast" and node.integer("to", 0) not in FLOATS and not _is_mask(node, reader):
        raise ReadError("makes whole numbers of a value", advice="a network computes in floating point")
    if node.kind != "Dropout":
        return x
    ratio = reader.array(node, 1)
    p = node.number("ratio", 0.5) if ratio is None else float(ratio.reshape(()))
    training = reader.array(node, 2)
    if training is not None and training.any():
        raise ReadError("is a dropout in training", advice="export the model in evaluation mode")
    return replace(reader.emit(node, ops.Dropout(float(f"{p:.7g}")), base(x)), axes=x.axes)


def _is_mask(node: OnnxNode, reader: Reader) -> bool:
    """Whether a node takes the result of a comparison, which is 0 or 1 in every type."""
    maker = reader.maker(node.input(0))
    return maker is not None and maker.kind in COMPARISONS


COMPARISONS = ("Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Not")


@rule("Transpose")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x = reader.feature(node.input(0))
    order = node.integers("perm") or tuple(reversed(range(x.rank)))
    if sorted(order) != list(range(x.rank)):
        raise ReadError(f"permutes {x.rank} axes by {list(order)}")
    return replace(x, axes=tuple(x.axes[axis] for axis in order))


@rule("Reshape")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x = reader.feature(node.input(0))
    target = reader.array(node, 1)
    sizes = node.integers("shape") if target is None else tuple(int(size) for size in target.ravel())
    return reshape(node, reader, x, reshaped(node, x.sizes(reader.batch), sizes))


@rule("Flatten")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x, axis = reader.feature(node.input(0)), node.integer("axis", 1)
    sizes = x.sizes(reader.batch)
    axis = axis + x.rank if axis < 0 else axis
    return reshape(node, reader, x, (prod(sizes[:axis]), prod(sizes[axis:])))


@rule("Squeeze")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x = reader.feature(node.input(0))
    sizes = x.sizes(reader.batch)
    given = _axes(node, reader)
    axes = {axis % x.rank for axis in given} if given else {i for i, size in enumerate(sizes) if size == 1 and i}
    if any(sizes[axis] != 1 for axis in axes):
        raise ReadError(f"squeezes the axes {sorted(axes)} of {'x'.join(map(str, sizes))}, which are not all 1")
    return reshape(node, reader, x, [size for axis, size in enumerate(sizes) if axis not in axes])


@rule("Unsqueeze")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x, axes = reader.feature(node.input(0)), _axes(node, reader)
    rank = x.rank + len(axes)
    places = {axis % rank for axis in axes}
    rest = iter(x.sizes(reader.batch))
    return reshape(node, reader, x, [1 if axis in places else next(rest) for axis in range(rank)])


def _axes(node: OnnxNode, reader: Reader) -> tuple[int, ...]:
    return listed(node, "axes", [None, reader.array(node, 1)], 1) or ()


def reshape(node: OnnxNode, reader: Reader, x: Feature, sizes: Sequence[int]) -> Feature:
    """The same elements under other sizes, the batch's first. Raises ReadError where images would mix."""
    if tuple(sizes) == x.sizes(reader.batch):
        return x
    shuffled = _shuffle(node, reader, x, tuple(sizes[1:]))
    if shuffled is not None:
        return shuffled
    source, shape = _in_order(node, reader, x), tuple(sizes[1:])
    if not shape or sizes[0] != reader.batch:
        raise ReadError(
            f"takes the batch for another axis: {'x'.join(map(str, sizes))} of a batch of {reader.batch}",
            advice="keep the first axis: x.flatten(1), not x.view(1, -1)",
        )
    step = reader.step_of(source)
    if step is not None and isinstance(step.op, ops.Reshape | ops.Flatten):  # only the last shape counts
        source = Feature.plain(step.inputs[0], reader.shape(step.inputs[0]))
    if source.shape == shape:
        return source
    return reader.emit(node, ops.Flatten() if len(shape) == 1 else ops.Reshape(shape), source)


def _in_order(node: OnnxNode, reader: Reader, x: Feature) -> Feature:
    """The feature as its elements lie in memory: a transpose that moves only sides of 1 moves nothing."""
    whole = (reader.batch, *x.shape)
    long = [axis for axis in x.axes if whole[axis] != 1 or axis == 0]
    return base(x) if long == sorted(long) else reader.straightened(x, node)


def _shuffle(node: OnnxNode, reader: Reader, x: Feature, shape: Shape) -> Feature | None:
    """(C, H, W) -> (groups, C / groups, H, W) -> the first two axes exchanged -> (C, H, W)."""
    step = reader.step_of(x)
    if step is None or not isinstance(step.op, ops.Reshape) or x.axes[:3] != (0, 2, 1):
        return None
    before = reader.shape(step.inputs[0])
    groups, each = x.shape[:2]
    kept = x.axes[3:] == tuple(range(3, x.rank)) and groups * each == before[0]
    if not kept or before != shape or len(shape) != 3:
        return None
    return reader.emit(node, ops.ChannelShuffle(groups), Feature.plain(step.inputs[0], before))


@rule("Expand")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x, target = reader.feature(node.input(0)), reader.weight(node, 1).array
    sizes = x.sizes(reader.batch)
    wanted = [1] * (x.rank - target.size) + [int(size) for size in target.ravel()]
    if len(wanted) != x.rank:
        raise ReadError("adds axes in front of the batch")
    full = tuple(max(a, b) for a, b in zip(sizes, wanted, strict=True))
    if full == sizes:
        return x
    plain = reader.plain(node.input(0))
    return reader.emit(node, ops.Expand(full[1:]), plain)


@rule("Tile")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x, repeats = reader.plain(node.input(0)), tuple(int(times) for times in reader.weight(node, 1).array.ravel())
    if len(repeats) != x.rank or repeats[0] != 1:
        raise ReadError("repeats the images of a batch")
    return x if set(repeats) == {1} else reader.emit(node, ops.Repeat(repeats[1:]), x)
