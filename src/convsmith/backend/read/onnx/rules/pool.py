"""Rules for pooling and other reductions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from convsmith.backend.read.onnx.graph import OnnxNode
from convsmith.backend.read.onnx.reader import Reader, Rule, base, rule
from convsmith.backend.read.onnx.rules.convolution import padding, pair
from convsmith.backend.read.onnx.rules.norm import reduced_axes
from convsmith.backend.read.onnx.values import Feature
from convsmith.errors import ReadError
from convsmith.network import ops
from convsmith.network.dims import Pair
from convsmith.network.ops import Op
from convsmith.network.ops.window import Padding, resolve, slide

Geometry = tuple[Pair, Pair, Padding, bool]


def _geometry(node: OnnxNode, x: Feature) -> Geometry:
    """Kernel, stride, padding, and whether a last partial window counts."""
    kernel = pair(node.integers("kernel_shape"), (), node)
    stride, dilation = pair(node.integers("strides"), (1, 1), node), _dilation(node)
    return kernel, stride, padding(node, x, kernel, stride, dilation), bool(node.integer("ceil_mode", 0))


def _dilation(node: OnnxNode) -> Pair:
    return pair(node.integers("dilations"), (1, 1), node)


Pool = Callable[[OnnxNode, Reader, Feature], Feature]


def _over_maps(pool: Pool) -> Rule:
    """A rule for pooling, that of a sequence (C, L) included: it is a map (C, 1, L)."""

    def pooled(node: OnnxNode, reader: Reader) -> Feature:
        x = reader.plain(node.input(0))
        if len(x.shape) != 2 or node.word("auto_pad", "NOTSET") != "NOTSET":
            return pool(node, reader, x)
        row = reader.emit(node, ops.Reshape((x.shape[0], 1, x.shape[1])), x)
        y = pool(_as_row(node), reader, row)
        return reader.emit(node, ops.Reshape((y.shape[0], y.shape[2])), y)

    return pooled


def _as_row(node: OnnxNode) -> OnnxNode:
    """A node that works along one axis, as one that works along the second of two."""
    neutral = {"kernel_shape": 1, "strides": 1, "dilations": 1}
    given = {name: node.integers(name) for name in (*neutral, "pads")}
    wide = {name: (neutral[name], *values) for name, values in given.items() if values and name in neutral}
    pads = given["pads"]
    if pads:
        wide["pads"] = (0, pads[0], 0, *pads[1:])
    return replace(node, attributes={**node.attributes, **wide})


@rule("MaxPool")
@_over_maps
def _(node: OnnxNode, reader: Reader, x: Feature) -> Feature:
    return reader.emit(node, ops.MaxPool(*_geometry(node, x), dilation=_dilation(node)), x)


@rule("AveragePool")
@_over_maps
def _(node: OnnxNode, reader: Reader, x: Feature) -> Feature:
    if _dilation(node) != (1, 1):
        raise ReadError("averages over a window with gaps", advice="write it as a depthwise convolution")
    kernel, stride, pads, ceil = _geometry(node, x)
    counted = bool(node.integer("count_include_pad", 0))
    return _padded_before(node, reader, x, (kernel, stride, pads, ceil)) or reader.emit(
        node, ops.AvgPool(kernel, stride, pads, ceil, counted), x
    )


def _padded_before(node: OnnxNode, reader: Reader, x: Feature, geometry: Geometry) -> Feature | None:
    """Zeros put around the map by a layer before, which count in the mean: they are the pooling's own padding."""
    step = reader.step_of(x)
    if step is None or not isinstance(step.op, ops.Pad) or not reader.used_once(node.input(0)):
        return None
    kernel, stride, pads, ceil = geometry
    zeros = step.op.padding
    source = Feature.plain(step.inputs[0], reader.shape(step.inputs[0]))
    top, bottom, left, right = resolve(pads, (x.shape[1], x.shape[2]), kernel, stride, (1, 1))
    fits = all(2 * zero <= side for zero, side in zip(zeros, (kernel[0],) * 2 + (kernel[1],) * 2, strict=True))
    if step.op != ops.Pad(zeros) or min(zeros) < 0 or top or left or not fits or node.integer("count_include_pad", 0):
        return None
    beyond = ceil or bottom > 0 or right > 0
    after = slide((x.shape[1], x.shape[2]), kernel, stride, pads, ceil=ceil)
    if slide((source.shape[1], source.shape[2]), kernel, stride, zeros, ceil=beyond) != after:
        return None
    return reader.emit(node, ops.AvgPool(kernel, stride, zeros, beyond, count_padding=True), source)


@rule("LpPool")
@_over_maps
def _(node: OnnxNode, reader: Reader, x: Feature) -> Feature:
    return reader.emit(node, ops.LpPool(*_geometry(node, x), p=node.integer("p", 2)), x)


@rule("GlobalAveragePool", "GlobalMaxPool")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x = reader.feature(node.input(0))
    if x.axes[:2] != (0, 1):
        x = reader.plain(node.input(0))
    if len(x.shape) != 3:
        function = "mean" if node.kind == "GlobalAveragePool" else "max"
        return reader.emit(node, ops.Reduce(function, tuple(range(1, len(x.shape))), keep=True), base(x))  # type: ignore[arg-type]
    op: Op = ops.AdaptiveAvgPool((1, 1)) if node.kind == "GlobalAveragePool" else ops.AdaptiveMaxPool((1, 1))
    return reader.emit(node, op, base(x))


@rule("GlobalLpPool")
def _(node: OnnxNode, reader: Reader) -> Feature:
    if node.integer("p", 2) != 2:
        raise ReadError("is a global pooling by another power than 2", advice="use powers of 2, or means")
    x = reader.plain(node.input(0))
    return reader.emit(node, ops.Reduce("l2", tuple(range(1, len(x.shape))), keep=True), x)


@rule("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x, keep = reader.feature(node.input(0)), bool(node.integer("keepdims", 1))
    axes = reduced_axes(node, reader, x)
    if not axes:
        return x
    function = {"ReduceMean": "mean", "ReduceSum": "sum", "ReduceMax": "max", "ReduceMin": "min", "ReduceL2": "l2"}
    if keep and axes == (1, 2) and node.kind in ("ReduceMean", "ReduceMax"):
        op: Op = ops.AdaptiveAvgPool((1, 1)) if node.kind == "ReduceMean" else ops.AdaptiveMaxPool((1, 1))
        return replace(reader.emit(node, op, base(x)), axes=x.axes)
    y = reader.emit(node, ops.Reduce(function[node.kind], axes, keep), base(x))  # type: ignore[arg-type]
    if keep:
        return replace(y, axes=x.axes)
    left = [axis for axis in x.axes if axis - 1 not in axes]
    return replace(y, axes=tuple(sorted(left).index(axis) for axis in left))
