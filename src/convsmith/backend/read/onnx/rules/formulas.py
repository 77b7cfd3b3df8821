"""Activations that exporters write out in elementary operators."""

from __future__ import annotations

from math import pi, sqrt

from convsmith.backend.read.onnx.graph import OnnxNode
from convsmith.backend.read.onnx.reader import Reader, pattern
from convsmith.backend.read.onnx.rules.activation import clip_bound, unary
from convsmith.backend.read.onnx.rules.match import Call, Expression, Name, call, matches
from convsmith.backend.read.onnx.values import Feature
from convsmith.network import ops
from convsmith.network.ops.pointwise import Function

X = Name("x")
SHIFTED = Name("shifted")
"""relu6(x + 3): a Clip, whose bounds are attributes in old opsets and inputs in new ones."""


def _half(inner: Expression) -> tuple[Call, ...]:
    """The ways to write x * inner / 2."""
    return (
        call("Mul", call("Mul", X, inner), 0.5),
        call("Mul", call("Mul", X, 0.5), inner),
        call("Mul", X, call("Mul", inner, 0.5)),
    )


ERF = call("Add", call("Erf", call("Mul", X, 1 / sqrt(2))), 1.0)
CUBE = (call("Pow", X, 3.0), call("Mul", call("Mul", X, X), X))
SLOPE = sqrt(2 / pi)
TANHS = tuple(
    call("Add", call("Tanh", call("Mul", call("Add", X, call("Mul", cube, 0.044715)), SLOPE)), 1.0) for cube in CUBE
)

FORMULAS: dict[Function, tuple[Call, ...]] = {
    "silu": (call("Mul", X, call("Sigmoid", X)),),
    "mish": (call("Mul", X, call("Tanh", call("Softplus", X))),),
    "gelu": _half(ERF),
    "gelu_tanh": tuple(way for tanh in TANHS for way in _half(tanh)),
    "scaled_tanh": (call("Mul", call("Tanh", call("Mul", X, 2 / 3)), 1.7159),),
    "hard_swish": (
        call("Mul", X, call("HardSigmoid", X, alpha=1 / 6, beta=0.5)),
        call("Mul", X, call("Mul", SHIFTED, 1 / 6)),
        call("Mul", call("Mul", X, SHIFTED), 1 / 6),
    ),
    "hard_sigmoid": (call("Mul", SHIFTED, 1 / 6),),
    "log_sigmoid": (call("Log", call("Sigmoid", X)), call("Neg", call("Softplus", call("Neg", X)))),
    "tanhshrink": (call("Sub", X, call("Tanh", X)),),
    "square": (call("Mul", X, X), call("Pow", X, 2.0)),
    "sqrt": (call("Pow", X, 0.5),),
    "rsqrt": (call("Pow", X, -0.5), call("Reciprocal", call("Sqrt", X))),
    "relu6": (call("Min", call("Relu", X), 6.0),),
    "softsign": (call("Div", X, call("Add", call("Abs", X), 1.0)),),
}
"""The ways to write a function. A quotient by a number stands for the product by its inverse, too."""


@pattern("Mul", "Div", "Log", "Sub", "Pow", "Reciprocal", "Min", "Neg")
def _(node: OnnxNode, reader: Reader) -> Feature | None:
    for function, ways in FORMULAS.items():
        for way in ways:
            if way.kind != node.kind and (way.kind, node.kind) != ("Mul", "Div"):
                continue
            bound = matches(way, node.outputs[0], reader)
            x = None if bound is None else _argument(dict(bound), reader)
            if x is not None:
                return unary(node, reader, ops.Activation(function), x)
    return None


def _argument(bound: dict[str, str], reader: Reader) -> str | None:
    """x, if what stands for relu6(x + 3) is that."""
    if "shifted" not in bound:
        return bound["x"]
    clip = reader.maker(bound["shifted"])
    if clip is None or clip.kind != "Clip":
        return None
    if (clip_bound(clip, reader, 1, "min"), clip_bound(clip, reader, 2, "max")) != (0, 6):
        return None
    inner = matches(call("Add", X, 3.0), clip.input(0), reader)
    if inner is None or bound.get("x", inner["x"]) != inner["x"]:
        return None
    return inner["x"]
