"""Rules for ops that keep the shape: normalisation, activation, regularisation."""

from __future__ import annotations

import numpy as np

from convsmith.backend.onnx.emit import emit
from convsmith.backend.onnx.graph import Attributes, Layer
from convsmith.network.ops import (
    Activation,
    Affine,
    BatchNorm,
    Dropout,
    FixedNorm,
    LocalResponseNorm,
    Scale,
    SkipInit,
    StochasticDepth,
)
from convsmith.network.ops.pointwise import Function

ONE_NODE: dict[Function, str] = {
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "hard_swish": "HardSwish",
    "gelu": "Gelu",
}


@emit.register
def _(op: Activation, layer: Layer) -> None:
    x = layer.inputs[0]
    if op.function in ONE_NODE:
        layer.result(ONE_NODE[op.function], [x])
    elif op.function == "relu6":
        layer.result("Clip", [x, layer.floats("low", 0), layer.floats("high", 6)])
    elif op.function == "hard_sigmoid":
        layer.result("HardSigmoid", [x], {"alpha": 1 / 6, "beta": 0.5})
    elif op.function == "silu":
        layer.result("Mul", [x, layer.step("Sigmoid", [x])])
    else:
        inner = layer.step("Tanh", [layer.step("Mul", [x, layer.floats("slope", 2 / 3)])])
        layer.result("Mul", [inner, layer.floats("amplitude", 1.7159)])


@emit.register
def _(op: BatchNorm, layer: Layer) -> None:
    channels = layer.shape[0]
    weight = layer.parameter("weight") if op.scale else layer.floats("weight", np.ones(channels))
    inputs = [layer.inputs[0], weight, *map(layer.parameter, ("bias", "running_mean", "running_var"))]
    layer.result("BatchNormalization", inputs, {"epsilon": op.eps})


@emit.register
def _(op: FixedNorm, layer: Layer) -> None:
    mean = layer.parameter("mean", layer.array("mean").reshape(-1, 1, 1))
    deviation = layer.floats("deviation", np.sqrt(layer.array("variance")).reshape(-1, 1, 1))
    layer.result("Div", [layer.step("Sub", [layer.inputs[0], mean]), deviation])


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
    mean = layer.step(
        "AveragePool",
        [
            column,
        ],
        attributes,
    )
    energy = layer.step("Reshape", [mean, layer.ints("map", [-1, channels, height, width])])
    scaled = layer.step("Mul", [energy, layer.floats("alpha", op.alpha)])
    base = layer.step("Add", [scaled, layer.floats("k", op.k)])
    layer.result("Div", [x, layer.step("Pow", [base, layer.floats("beta", op.beta)])])


@emit.register
def _(op: Affine, layer: Layer) -> None:
    weight, bias = (layer.parameter(name, layer.array(name).reshape(-1, 1, 1)) for name in ("weight", "bias"))
    layer.result("Add", [layer.step("Mul", [layer.inputs[0], weight]), bias])


@emit.register
def _(op: Scale, layer: Layer) -> None:
    layer.result("Mul", [layer.inputs[0], layer.floats("factor", op.factor)])


@emit.register
def _(op: SkipInit, layer: Layer) -> None:
    layer.result("Mul", [layer.inputs[0], layer.parameter("skipinit_gain")])


@emit.register(Dropout)
@emit.register(StochasticDepth)
def _(op: Dropout | StochasticDepth, layer: Layer) -> None:
    layer.result("Identity", layer.inputs)
