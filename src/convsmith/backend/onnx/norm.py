"""Rules for normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convsmith.backend.onnx.emit import emit
from convsmith.backend.onnx.graph import Attributes, Layer
from convsmith.network.dims import Shape, elements
from convsmith.network.ops import (
    BatchNorm,
    FixedNorm,
    GroupNorm,
    InstanceNorm,
    L2Norm,
    LayerNorm,
    LocalResponseNorm,
    RMSNorm,
)


def _weight_and_bias(op: BatchNorm | InstanceNorm, layer: Layer) -> list[str]:
    """By channel; ones and zeros where the op has none, since ONNX wants them."""
    channels = layer.shape[0]
    weight = layer.parameter("weight") if op.scale else layer.floats("weight", np.ones(channels))
    return [weight, layer.parameter("bias") if op.bias else layer.floats("bias", np.zeros(channels))]


@emit.register
def _(op: BatchNorm, layer: Layer) -> None:
    running = map(layer.parameter, ("running_mean", "running_var"))
    layer.result("BatchNormalization", [layer.inputs[0], *_weight_and_bias(op, layer), *running], {"epsilon": op.eps})


@emit.register
def _(op: InstanceNorm, layer: Layer) -> None:
    running = map(layer.parameter, ("running_mean", "running_var") if op.running else ())
    kind = "BatchNormalization" if op.running else "InstanceNormalization"
    layer.result(kind, [layer.inputs[0], *_weight_and_bias(op, layer), *running], {"epsilon": op.eps})


@emit.register
def _(op: FixedNorm, layer: Layer) -> None:
    mean = layer.parameter("mean", layer.array("mean").reshape(-1, 1, 1))
    deviation = layer.floats("deviation", np.sqrt(layer.array("variance")).reshape(-1, 1, 1))
    layer.result("Div", [layer.step("Sub", [layer.inputs[0], mean]), deviation])


@emit.register
def _(op: GroupNorm, layer: Layer) -> None:
    # This opset has no group norm with a weight for each channel: a group is an instance of one long channel.
    groups = layer.ints("groups", [-1, op.groups, elements(layer.shape) // op.groups])
    rows = layer.step("Reshape", [layer.inputs[0], groups])
    ones, zeros = layer.floats("ones", np.ones(op.groups)), layer.floats("zeros", np.zeros(op.groups))
    normalised = layer.step("InstanceNormalization", [rows, ones, zeros], {"epsilon": op.eps})
    steps = [("Reshape", layer.ints("shape", [-1, *layer.shape])), *_affine(op.scale, op.bias, layer, (0,))]
    _chain(layer, normalised, steps)


@emit.register
def _(op: LayerNorm, layer: Layer) -> None:
    rank, sides = len(layer.shape), tuple(layer.shape[axis] for axis in op.axes)
    last = rank - len(op.axes)
    weight = layer.parameter("weight") if op.scale else layer.floats("weight", np.ones(sides))
    parameters = [weight, layer.parameter("bias")] if op.bias else [weight]
    attributes: Attributes = {"axis": last + 1, "epsilon": op.eps}
    if op.axes == tuple(range(last, rank)):
        layer.result("LayerNormalization", [layer.inputs[0], *parameters], attributes)
        return
    order = (0, *(axis + 1 for axis in range(rank) if axis not in op.axes), *(axis + 1 for axis in op.axes))
    moved = layer.step("Transpose", [layer.inputs[0]], {"perm": order})
    normalised = layer.step("LayerNormalization", [moved, *parameters], attributes)
    layer.result("Transpose", [normalised], {"perm": tuple(order.index(axis) for axis in range(rank + 1))})


@emit.register
def _(op: RMSNorm, layer: Layer) -> None:
    x = layer.inputs[0]
    axes = layer.ints("axes", [axis + 1 for axis in op.axes])
    mean = layer.step("ReduceMean", [layer.step("Mul", [x, x]), axes], {"keepdims": 1})
    root = layer.step("Sqrt", [layer.step("Add", [mean, layer.floats("eps", op.eps)])])
    _chain(layer, x, [("Div", root), *_affine(op.scale, False, layer, op.axes)])


@emit.register
def _(op: L2Norm, layer: Layer) -> None:
    axes = layer.ints("axes", [axis + 1 for axis in op.axes])
    length = layer.step("ReduceL2", [layer.inputs[0], axes], {"keepdims": 1})
    layer.result("Div", [layer.inputs[0], layer.step("Max", [length, layer.floats("eps", op.eps)])])


def _affine(scale: bool, bias: bool, layer: Layer, axes: tuple[int, ...]) -> list[tuple[str, str]]:
    """Multiplication by the weight and addition of the bias, which have these axes of the layer's."""
    shape: Shape = tuple(side if axis in axes else 1 for axis, side in enumerate(layer.shape))
    named = [(kind, name) for kind, name, wanted in (("Mul", "weight", scale), ("Add", "bias", bias)) if wanted]
    return [(kind, layer.parameter(name, layer.array(name).reshape(shape))) for kind, name in named]


def _chain(layer: Layer, value: str, steps: Sequence[tuple[str, str]]) -> None:
    """One ONNX node after the other, each with a second input; the last gives the layer's output."""
    for kind, other in steps[:-1]:
        value = layer.step(kind, [value, other])
    kind, other = steps[-1]
    layer.result(kind, [value, other])


@emit.register
def _(op: LocalResponseNorm, layer: Layer) -> None:
    if op.size % 2:
        attributes = {"size": op.size, "alpha": op.alpha, "beta": op.beta, "bias": op.k}
        layer.result("LRN", layer.inputs, attributes)
    else:
        _even_local_response_norm(op, layer)


def _even_local_response_norm(op: LocalResponseNorm, layer: Layer) -> None:
    """PyTorch's window of an even size begins one channel earlier than ONNX's, and ONNX Runtime has none at all."""
    x = layer.inputs[0]
    channels, height, width = layer.shape
    square = layer.step("Mul", [x, x])
    column = layer.step("Reshape", [square, layer.ints("column", [-1, 1, channels, height * width])])
    before, after = op.size // 2, (op.size - 1) // 2
    attributes: Attributes = {"kernel_shape": (op.size, 1), "pads": (before, 0, after, 0), "count_include_pad": 1}
    mean = layer.step("AveragePool", [column], attributes)
    energy = layer.step("Reshape", [mean, layer.ints("map", [-1, channels, height, width])])
    scaled = layer.step("Mul", [energy, layer.floats("alpha", op.alpha)])
    base = layer.step("Add", [scaled, layer.floats("k", op.k)])
    layer.result("Div", [x, layer.step("Pow", [base, layer.floats("beta", op.beta)])])
