"""Rules for dense layers and matrix products."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convsmith.backend.onnx.pool import averaging
from convsmith.backend.read.onnx.graph import Array, OnnxNode
from convsmith.backend.read.onnx.reader import Reader, base, pattern, rule
from convsmith.backend.read.onnx.values import Constant, Feature
from convsmith.errors import ReadError
from convsmith.network import ops


@rule("Gemm")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x, weight = reader.plain(node.input(0)), reader.weight(node, 1)
    if node.integer("transA", 0) or len(x.shape) != 1 or weight.array.ndim != 2:
        raise ReadError("multiplies across the images of a batch", advice="a network treats each image by itself")
    array = weight.array if node.integer("transB", 0) else weight.array.T
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    x, array = _flattened(reader, x, array if alpha == 1 else array * np.float32(alpha))
    weights = {"weight": Constant(array, weight.origin)}
    if node.input(2):
        bias = reader.weight(node, 2)
        scaled = bias.array if beta == 1 else bias.array * np.float32(beta)
        weights["bias"] = Constant(_row(scaled, len(array)), bias.origin)
    return reader.emit(node, ops.Linear(len(array), "bias" in weights), x, weights=weights)


def _row(bias: Array, features: int) -> Array:
    """A bias that broadcasts to (N, features), as (features,)."""
    if bias.ndim > 1 and bias.shape[0] != 1:
        raise ReadError("has a bias for each image of a batch")
    return bias.reshape(-1) if bias.size == features else np.broadcast_to(bias.reshape(-1), (features,))


@rule("MatMul")
def _(node: OnnxNode, reader: Reader) -> Feature:
    first, second = (reader.constant(name) for name in node.inputs[:2])
    if second is not None and second.array.ndim == 2:
        return _times_weight(node, reader, second)
    if first is not None or second is not None:
        x = reader.plain(node.inputs[1 if first is not None else 0])
        known = _matrix(node, reader, first or second, len(x.shape))
        return reader.emit(node, ops.MatMul(), *((known, x) if first is not None else (x, known)))
    return reader.emit(node, ops.MatMul(), *(reader.plain(name) for name in node.inputs[:2]))


def _times_weight(node: OnnxNode, reader: Reader, weight: Constant) -> Feature:
    """Dense over the last axis that the graph sees: of a map that it sees as (N, H, W, C), a 1x1 convolution."""
    x, features = reader.feature(node.input(0)), weight.array.shape[1]
    matrix = Constant(weight.array.T, weight.origin)
    if len(x.shape) == 3 and x.axes[-1] == 1:
        filters = Constant(matrix.array[:, :, None, None], weight.origin)
        y = reader.emit(node, ops.Conv(features, (1, 1)), base(x), weights={"weight": filters})
        return replace(y, axes=x.axes)
    if x.axes[-1] != len(x.shape):
        x = reader.plain(node.input(0))
    source, array = _flattened(reader, base(x), matrix.array)
    weights = {"weight": Constant(array, weight.origin)}
    y = reader.emit(node, ops.Linear(features, bias=False), source, weights=weights)
    return replace(y, axes=x.axes)


def _flattened(reader: Reader, x: Feature, matrix: Array) -> tuple[Feature, Array]:
    """A vector and the weights on it; those of a map that was transposed before it was flattened are, instead of it."""
    flatten = reader.step_of(x)
    if flatten is None or not isinstance(flatten.op, ops.Flatten) or flatten.op.start or flatten.inputs[0] < 0:
        return x, matrix
    permute = reader.steps[flatten.inputs[0]]
    if not isinstance(permute.op, ops.Permute):
        return x, matrix
    source = Feature.plain(permute.inputs[0], reader.shape(permute.inputs[0]))
    back = [0, *(1 + int(axis) for axis in np.argsort(permute.op.axes))]
    columns = matrix.reshape(len(matrix), *permute.shape).transpose(back).reshape(matrix.shape)
    return reader.emit(flatten.node, ops.Flatten(), source), columns


def _matrix(node: OnnxNode, reader: Reader, known: Constant | None, rank: int) -> Feature:
    """A known side of a product as a node of its own, of as many axes as the other side."""
    assert known is not None
    size = (1,) * (rank - known.array.ndim) + known.array.shape
    if len(size) == rank + 1 and size[0] == 1:
        size = size[1:]
    op = ops.Constant(size, trainable=bool(known.origin))
    return reader.emit(node, op, weights={"value": Constant(known.array.reshape(size), known.origin)})


@pattern("MatMul")
def _(node: OnnxNode, reader: Reader) -> Feature | None:
    """Means over a grid of cells, as convsmith writes them: rows @ x @ columns."""
    inner, columns = reader.maker(node.input(0)), reader.constant(node.input(1))
    if inner is None or inner.kind != "MatMul" or columns is None or columns.array.ndim != 2:
        return None
    rows = reader.constant(inner.input(0))
    if rows is None or rows.array.ndim != 2:
        return None
    x = reader.plain(inner.input(1))
    size = len(rows.array), columns.array.shape[1]
    if len(x.shape) != 3 or max(size) > 4096:
        return None
    grid = averaging(x.shape[1], size[0]), averaging(x.shape[2], size[1]).T
    if not all(np.array_equal(*both) for both in zip(grid, (rows.array, columns.array), strict=True)):
        return None
    return reader.emit(node, ops.AdaptiveAvgPool(size), x)


@pattern("Neg")
def _(node: OnnxNode, reader: Reader) -> Feature | None:
    """Minus squared distances to codes: LeNet-5's radial basis functions."""
    total = reader.maker(node.input(0))
    difference = reader.maker(total.input(0)) if total is not None and total.kind == "ReduceSumSquare" else None
    rows = reader.maker(difference.input(0)) if difference is not None and difference.kind == "Sub" else None
    if total is None or difference is None or rows is None or rows.kind != "Unsqueeze" or total.integer("keepdims", 1):
        return None
    codes, x = reader.constant(difference.input(1)), reader.plain(rows.input(0))
    if codes is None or codes.array.ndim != 2 or x.shape != codes.array.shape[1:]:
        return None
    return reader.emit(node, ops.RadialBasis(len(codes.array)), x, weights={"weight": codes})
