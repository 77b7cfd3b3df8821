"""Rules for pooling and other reductions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convsmith.backend.onnx.emit import emit
from convsmith.backend.onnx.graph import Layer
from convsmith.network.dims import Pair
from convsmith.network.ops import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, LpPool, MaxPool, Reduce, window


class Side(NamedTuple):
    """Padding along one axis: what the op asks for, cut to what windows reach, and what rounding up adds to it."""

    before: int
    after: int
    beyond: int


@emit.register
def _(op: MaxPool, layer: Layer) -> None:
    y, x = _sides(op, layer, op.dilation)
    pads = (y.before, x.before, y.after + y.beyond, x.after + x.beyond)
    attributes = {"kernel_shape": op.kernel, "strides": op.stride, "pads": pads, "dilations": op.dilation}
    layer.result("MaxPool", layer.inputs, attributes)


@emit.register
def _(op: AvgPool, layer: Layer) -> None:
    source, attributes = _averaging(op, layer, layer.inputs[0], count_padding=op.count_padding)
    layer.result("AveragePool", [source], attributes)


@emit.register
def _(op: LpPool, layer: Layer) -> None:
    # ONNX's LpPool takes absolute values and has no partial windows.
    powers = layer.step("Pow", [layer.inputs[0], layer.floats("p", op.p)])
    source, attributes = _averaging(op, layer, powers, count_padding=True)
    mean = layer.step("AveragePool", [source], attributes)
    total = layer.step("Mul", [mean, layer.floats("area", op.kernel[0] * op.kernel[1])])
    layer.result("Pow", [total, layer.floats("root", 1 / op.p)])


def _averaging(
    op: AvgPool | LpPool, layer: Layer, source: str, *, count_padding: bool
) -> tuple[str, dict[str, Sequence[int]]]:
    """Input and attributes of the pooling that gives the mean of each window."""
    y, x = _sides(op, layer)
    pads = (y.before, x.before, y.after + y.beyond, x.after + x.beyond)
    if count_padding:
        # Zeros that count are put there; what a window reaches beyond them by rounding up does not count.
        zeros = layer.ints("pads", [0, 0, y.before, x.before, 0, 0, y.after, x.after])
        source = layer.step("Pad", [source, zeros])
        pads = (0, 0, y.beyond, x.beyond)
    return source, {"kernel_shape": op.kernel, "strides": op.stride, "pads": pads}


@emit.register
def _(op: AdaptiveAvgPool, layer: Layer) -> None:
    size = layer.shapes[0][1:]
    if op.size == (1, 1):
        layer.result("GlobalAveragePool", layer.inputs)
    elif op.size == size:
        layer.result("Identity", layer.inputs)
    else:
        rows = layer.floats("rows", averaging(size[0], op.size[0]))
        columns = layer.floats("columns", averaging(size[1], op.size[1]).T)
        layer.result("MatMul", [layer.step("MatMul", [rows, layer.inputs[0]]), columns])


@emit.register
def _(op: AdaptiveMaxPool, layer: Layer) -> None:
    size = layer.shapes[0][1:]
    if op.size == (1, 1):
        layer.result("GlobalMaxPool", layer.inputs)
    elif op.size == size:
        layer.result("Identity", layer.inputs)
    elif size[0] % op.size[0] == size[1] % op.size[1] == 0:
        cell = (size[0] // op.size[0], size[1] // op.size[1])
        layer.result("MaxPool", layer.inputs, {"kernel_shape": cell, "strides": cell})
    else:
        rows = [_largest(layer, layer.inputs[0], 2, *bounds) for bounds in cells(size[0], op.size[0])]
        bands = layer.step("Concat", rows, {"axis": 2})
        columns = [_largest(layer, bands, 3, *bounds) for bounds in cells(size[1], op.size[1])]
        layer.result("Concat", columns, {"axis": 3})


def _largest(layer: Layer, source: str, axis: int, start: int, stop: int) -> str:
    """The largest value of a part along one axis, which is 1 after that."""
    bounds = [layer.ints("start", [start]), layer.ints("stop", [stop]), layer.ints("axis", [axis])]
    part = layer.step("Slice", [source, *bounds])
    return layer.step("ReduceMax", [part, layer.ints("axis", [axis])], {"keepdims": 1})


REDUCTIONS = {"mean": "ReduceMean", "sum": "ReduceSum", "max": "ReduceMax", "min": "ReduceMin", "l2": "ReduceL2"}


@emit.register
def _(op: Reduce, layer: Layer) -> None:
    axes = layer.ints("axes", [axis + 1 for axis in op.axes])
    layer.result(REDUCTIONS[op.function], [layer.inputs[0], axes], {"keepdims": int(op.keep)})


def cells(size: int, count: int) -> list[tuple[int, int]]:
    """(start, stop) of each cell of adaptive pooling: from floor(i size / count) to ceil((i + 1) size / count)."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def averaging(size: int, count: int) -> NDArray[np.float32]:
    """The matrix (count, size) of means over the cells of adaptive pooling."""
    matrix = np.zeros((count, size), np.float32)
    for i, (start, stop) in enumerate(cells(size, count)):
        matrix[i, start:stop] = 1 / (stop - start)
    return matrix


def _sides(op: MaxPool | AvgPool | LpPool, layer: Layer, dilation: Pair = (1, 1)) -> tuple[Side, Side]:
    """Padding by which rounding down gives the sizes that the network infers.

    ONNX's own `ceil_mode` is left alone: runtimes differ on whether a window may begin in the padding.
    """
    size, out = layer.shapes[0][1:], layer.shape[1:]
    top, bottom, left, right = window.resolve(op.padding, (size[0], size[1]), op.kernel, op.stride, dilation)
    extent = (dilation[0] * (op.kernel[0] - 1) + 1, dilation[1] * (op.kernel[1] - 1) + 1)
    return (
        _side(size[0], out[0], extent[0], op.stride[0], top, bottom),
        _side(size[1], out[1], extent[1], op.stride[1], left, right),
    )


def _side(size: int, out: int, extent: int, stride: int, before: int, after: int) -> Side:
    reach = max((out - 1) * stride + extent - size - before, 0)
    return Side(before, min(after, reach), max(reach - after, 0))
