"""Rules for functions of each element, and for noise, which is not exported."""

from __future__ import annotations

from convsmith.backend.onnx.emit import emit
from convsmith.backend.onnx.graph import Attributes, Layer
from convsmith.network.ops import (
    CELU,
    ELU,
    Activation,
    Affine,
    AlphaDropout,
    Clip,
    Dropout,
    Hardshrink,
    LeakyReLU,
    LogSoftmax,
    PReLU,
    Scale,
    SkipInit,
    Softmax,
    Softplus,
    Softshrink,
    StochasticDepth,
)
from convsmith.network.ops.pointwise import Function

ONE_NODE: dict[Function, tuple[str, Attributes]] = {
    "relu": ("Relu", {}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "hard_swish": ("HardSwish", {}),
    "gelu": ("Gelu", {}),
    "gelu_tanh": ("Gelu", {"approximate": "tanh"}),
    "selu": ("Selu", {}),
    "mish": ("Mish", {}),
    "softsign": ("Softsign", {}),
    "exp": ("Exp", {}),
    "log": ("Log", {}),
    "sqrt": ("Sqrt", {}),
    "reciprocal": ("Reciprocal", {}),
    "abs": ("Abs", {}),
    "neg": ("Neg", {}),
    "sign": ("Sign", {}),
    "erf": ("Erf", {}),
    "sin": ("Sin", {}),
    "cos": ("Cos", {}),
}


@emit.register
def _(op: Activation, layer: Layer) -> None:
    x = layer.inputs[0]
    if op.function in ONE_NODE:
        kind, attributes = ONE_NODE[op.function]
        layer.result(kind, [x], attributes)
        return
    match op.function:
        case "relu6":
            layer.result("Clip", [x, layer.floats("low", 0), layer.floats("high", 6)])
        case "silu":
            layer.result("Mul", [x, layer.step("Sigmoid", [x])])
        case "scaled_tanh":
            inner = layer.step("Tanh", [layer.step("Mul", [x, layer.floats("slope", 2 / 3)])])
            layer.result("Mul", [inner, layer.floats("amplitude", 1.7159)])
        case "log_sigmoid":
            layer.result("Neg", [layer.step("Softplus", [layer.step("Neg", [x])])])
        case "tanhshrink":
            layer.result("Sub", [x, layer.step("Tanh", [x])])
        case "square":
            layer.result("Mul", [x, x])
        case "rsqrt":
            layer.result("Reciprocal", [layer.step("Sqrt", [x])])


@emit.register
def _(op: LeakyReLU, layer: Layer) -> None:
    layer.result("LeakyRelu", layer.inputs, {"alpha": op.slope})


@emit.register
def _(op: ELU, layer: Layer) -> None:
    layer.result("Elu", layer.inputs, {"alpha": op.alpha})


@emit.register
def _(op: CELU, layer: Layer) -> None:
    layer.result("Celu", layer.inputs, {"alpha": op.alpha})


@emit.register
def _(op: Softplus, layer: Layer) -> None:
    if op.beta == 1:
        layer.result("Softplus", layer.inputs)
        return
    beta = layer.floats("beta", op.beta)
    layer.result("Div", [layer.step("Softplus", [layer.step("Mul", [layer.inputs[0], beta])]), beta])


@emit.register
def _(op: Hardshrink, layer: Layer) -> None:
    layer.result("Shrink", layer.inputs, {"lambd": op.threshold, "bias": 0.0})


@emit.register
def _(op: Softshrink, layer: Layer) -> None:
    layer.result("Shrink", layer.inputs, {"lambd": op.threshold, "bias": op.threshold})


@emit.register
def _(op: Clip, layer: Layer) -> None:
    limits = [
        "" if limit is None else layer.floats(name, limit) for name, limit in (("low", op.low), ("high", op.high))
    ]
    layer.result("Clip", [layer.inputs[0], *limits])


@emit.register
def _(op: PReLU, layer: Layer) -> None:
    shape = (-1, *(1,) * (len(layer.shape) - 1))
    layer.result("PRelu", [layer.inputs[0], layer.parameter("weight", layer.array("weight").reshape(shape))])


@emit.register
def _(op: Softmax, layer: Layer) -> None:
    layer.result("Softmax", layer.inputs, {"axis": op.axis + 1})


@emit.register
def _(op: LogSoftmax, layer: Layer) -> None:
    layer.result("LogSoftmax", layer.inputs, {"axis": op.axis + 1})


@emit.register
def _(op: Affine, layer: Layer) -> None:
    weight, bias = (layer.parameter(name, layer.array(name).reshape(-1, 1, 1)) for name in ("weight", "bias"))
    layer.result("Add", [layer.step("Mul", [layer.inputs[0], weight]), bias])


@emit.register
def _(op: Scale, layer: Layer) -> None:
    x = layer.inputs[0]
    if op.shift == 0:
        layer.result("Mul", [x, layer.floats("factor", op.factor)])
        return
    product = x if op.factor == 1 else layer.step("Mul", [x, layer.floats("factor", op.factor)])
    layer.result("Add", [product, layer.floats("shift", op.shift)])


@emit.register
def _(op: SkipInit, layer: Layer) -> None:
    layer.result("Mul", [layer.inputs[0], layer.parameter("skipinit_gain")])


@emit.register(Dropout)
@emit.register(AlphaDropout)
@emit.register(StochasticDepth)
def _(op: Dropout | AlphaDropout | StochasticDepth, layer: Layer) -> None:
    layer.result("Identity", layer.inputs)
