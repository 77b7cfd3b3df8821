"""Rules for pooling."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convsmith.backend.onnx.emit import emit
from convsmith.backend.onnx.graph import Layer
from convsmith.network.ops import AdaptiveAvgPool, AvgPool, MaxPool, window


class Side(NamedTuple):
    """Padding along one axis: what the op asks for, cut to what windows reach, and what rounding up adds to it."""

    before: int
    after: int
    beyond: int


@emit.register
def _(op: MaxPool, layer: Layer) -> None:
    y, x = _sides(op, layer)
    pads = (y.before, x.before, y.after + y.beyond, x.after + x.beyond)
    layer.result("MaxPool", layer.inputs, {"kernel_shape": op.kernel, "strides": op.stride, "pads": pads})


@emit.register
def _(op: AvgPool, layer: Layer) -> None:
    source = layer.inputs[0]
    y, x = _sides(op, layer)
    pads = (y.before, x.before, y.after + y.beyond, x.after + x.beyond)
    if op.count_padding:
        # Zeros that count are put there; what a window reaches beyond them by rounding up does not count.
        zeros = layer.ints("pads", [0, 0, y.before, x.before, 0, 0, y.after, x.after])
        source = layer.step("Pad", [source, zeros])
        pads = (0, 0, y.beyond, x.beyond)
    layer.result("AveragePool", [source], {"kernel_shape": op.kernel, "strides": op.stride, "pads": pads})


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


def averaging(size: int, cells: int) -> NDArray[np.float32]:
    """The matrix (cells, size) of means: cell i is from floor(i size / cells) to ceil((i + 1) size / cells)."""
    matrix = np.zeros((cells, size), np.float32)
    for i in range(cells):
        start, stop = i * size // cells, -(-(i + 1) * size // cells)
        matrix[i, start:stop] = 1 / (stop - start)
    return matrix


def _sides(op: MaxPool | AvgPool, layer: Layer) -> tuple[Side, Side]:
    """Padding by which rounding down gives the sizes that the network infers.

    ONNX's own `ceil_mode` is left alone: runtimes differ on whether a window may begin in the padding.
    """
    size, out = layer.shapes[0][1:], layer.shape[1:]
    top, bottom, left, right = window.resolve(op.padding, (size[0], size[1]), op.kernel, op.stride, (1, 1))
    return (
        _side(size[0], out[0], op.kernel[0], op.stride[0], top, bottom),
        _side(size[1], out[1], op.kernel[1], op.stride[1], left, right),
    )


def _side(size: int, out: int, kernel: int, stride: int, before: int, after: int) -> Side:
    reach = max((out - 1) * stride + kernel - size - before, 0)
    return Side(before, min(after, reach), max(reach - after, 0))
