"""Rules for convolutions, dense layers and matrix products."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from convsmith.backend.layers import standardized
from convsmith.backend.onnx.emit import emit
from convsmith.backend.onnx.graph import Layer
from convsmith.network.ops import (
    Conv,
    ConvTranspose,
    Linear,
    MatMul,
    RadialBasis,
    StandardizedConv,
    TableConv,
    window,
)


@emit.register
def _(op: Conv, layer: Layer) -> None:
    _convolve(op, layer, _weight_and_bias(layer, op.bias))


@emit.register
def _(op: StandardizedConv, layer: Layer) -> None:
    # Weights are constants here, so they are standardised once and for all.
    weight, gain = torch.from_numpy(layer.array("weight")), torch.from_numpy(layer.array("gain"))
    whole = standardized(weight, gain, op.eps).numpy()
    _convolve(op, layer, [layer.parameter("weight", whole), *([layer.parameter("bias")] if op.bias else [])])


def _convolve(op: Conv, layer: Layer, weight_and_bias: Sequence[str]) -> None:
    height, width = layer.shapes[0][1:]
    top, bottom, left, right = window.resolve(op.padding, (height, width), op.kernel, op.stride, op.dilation)
    attributes = {
        "kernel_shape": op.kernel,
        "strides": op.stride,
        "pads": (top, left, bottom, right),
        "dilations": op.dilation,
        "group": op.groups,
    }
    layer.result("Conv", [layer.inputs[0], *weight_and_bias], attributes)


@emit.register
def _(op: ConvTranspose, layer: Layer) -> None:
    top, bottom, left, right = op.padding
    attributes = {
        "kernel_shape": op.kernel,
        "strides": op.stride,
        "pads": (top, left, bottom, right),
        "output_padding": op.output_padding,
        "dilations": op.dilation,
        "group": op.groups,
    }
    layer.result("ConvTranspose", [layer.inputs[0], *_weight_and_bias(layer, op.bias)], attributes)


@emit.register
def _(op: TableConv, layer: Layer) -> None:
    # ONNX has no connection tables: the missing connections become zeros.
    dense = np.zeros((len(op.table), layer.shapes[0][0], *op.kernel), np.float32)
    outputs = [i for i, row in enumerate(op.table) for _ in row]
    inputs = [j for row in op.table for j in row]
    dense[outputs, inputs] = layer.array("weight")
    weight, bias = layer.parameter("weight", dense), layer.parameter("bias")
    layer.result("Conv", [layer.inputs[0], weight, bias], {"kernel_shape": op.kernel})


@emit.register
def _(op: Linear, layer: Layer) -> None:
    if len(layer.shape) == 1:
        layer.result("Gemm", [layer.inputs[0], *_weight_and_bias(layer, op.bias)], {"transB": 1})
        return
    product = [layer.inputs[0], layer.parameter("weight/transposed", layer.array("weight").T)]
    if op.bias:
        layer.result("Add", [layer.step("MatMul", product), layer.parameter("bias")])
    else:
        layer.result("MatMul", product)


@emit.register
def _(op: MatMul, layer: Layer) -> None:
    layer.result("MatMul", layer.inputs)


@emit.register
def _(op: RadialBasis, layer: Layer) -> None:
    rows = layer.step("Unsqueeze", [layer.inputs[0], layer.ints("axis", [1])])
    difference = layer.step("Sub", [rows, layer.parameter("weight")])
    squared = layer.step("ReduceSumSquare", [difference, layer.ints("features", [2])], {"keepdims": 0})
    layer.result("Neg", [squared])


def _weight_and_bias(layer: Layer, bias: bool) -> list[str]:
    return [layer.parameter("weight"), layer.parameter("bias")] if bias else [layer.parameter("weight")]
