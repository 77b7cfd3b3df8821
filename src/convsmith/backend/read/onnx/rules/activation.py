"""Rules for functions of each element, and softmax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import isclose, prod

from convsmith.backend.read.onnx.graph import Array, OnnxNode
from convsmith.backend.read.onnx.reader import Reader, base, rule
from convsmith.backend.read.onnx.values import Constant, Feature, aligned, only_channels
from convsmith.errors import ReadError
from convsmith.network import ops
from convsmith.network.ops import Op
from convsmith.network.ops.pointwise import Function

FUNCTIONS: Mapping[str, Function] = {
    "Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "HardSwish": "hard_swish", "Mish": "mish",
    "Softsign": "softsign", "Exp": "exp", "Log": "log", "Sqrt": "sqrt", "Reciprocal": "reciprocal", "Abs": "abs",
    "Neg": "neg", "Sign": "sign", "Erf": "erf", "Sin": "sin", "Cos": "cos",
}  # fmt: skip

CURVES: Mapping[str, Callable[[OnnxNode], Op]] = {
    "LeakyRelu": lambda node: ops.LeakyReLU(rounded(node.number("alpha", 0.01))),
    "Elu": lambda node: ops.ELU(rounded(node.number("alpha", 1.0))),
    "Celu": lambda node: ops.CELU(rounded(node.number("alpha", 1.0))),
    "Softplus": lambda node: ops.Softplus(),
}


def rounded(value: float) -> float:
    """The number that somebody wrote, of one that the file keeps with 24 bits: 0.2, not 0.20000000298."""
    return float(f"{value:.7g}")


def unary(node: OnnxNode, reader: Reader, op: Op, name: str) -> Feature:
    """An op on each element, which does not mind in what order the graph sees the axes."""
    x = reader.feature(name)
    return replace(reader.emit(node, op, base(x)), axes=x.axes)


@rule(*FUNCTIONS)
def _(node: OnnxNode, reader: Reader) -> Feature:
    return unary(node, reader, ops.Activation(FUNCTIONS[node.kind]), node.input(0))


@rule(*CURVES)
def _(node: OnnxNode, reader: Reader) -> Feature:
    return unary(node, reader, CURVES[node.kind](node), node.input(0))


@rule("Gelu")
def _(node: OnnxNode, reader: Reader) -> Feature:
    tanh = node.word("approximate", "none") == "tanh"
    return unary(node, reader, ops.Activation("gelu_tanh" if tanh else "gelu"), node.input(0))


@rule("Selu")
def _(node: OnnxNode, reader: Reader) -> Feature:
    if not isclose(node.number("alpha", 1.6732632), 1.6732632, rel_tol=1e-4):
        raise ReadError("has numbers of its own", advice="SELU's are 1.67326 and 1.0507")
    return unary(node, reader, ops.Activation("selu"), node.input(0))


@rule("Swish")
def _(node: OnnxNode, reader: Reader) -> Feature:
    if node.number("alpha", 1.0) != 1:
        raise ReadError("is a swish with a number of its own", advice="write x * sigmoid(a x) out")
    return unary(node, reader, ops.Activation("silu"), node.input(0))


@rule("HardSigmoid")
def _(node: OnnxNode, reader: Reader) -> Feature:
    alpha, beta = node.number("alpha", 0.2), node.number("beta", 0.5)
    if isclose(alpha, 1 / 6, rel_tol=1e-5) and beta == 0.5:
        return unary(node, reader, ops.Activation("hard_sigmoid"), node.input(0))
    x = reader.feature(node.input(0))
    line = reader.emit(node, ops.Scale(rounded(alpha), rounded(beta)), base(x))
    return replace(reader.emit(node, ops.Clip(0.0, 1.0), line), axes=x.axes)


@rule("Shrink")
def _(node: OnnxNode, reader: Reader) -> Feature:
    threshold, bias = rounded(node.number("lambd", 0.5)), rounded(node.number("bias", 0.0))
    if bias not in (0, threshold):
        raise ReadError(f"shrinks by {bias} beyond {threshold}", advice="use a hard or a soft shrink")
    op = ops.Softshrink(threshold) if bias else ops.Hardshrink(threshold)
    return unary(node, reader, op, node.input(0))


@rule("Clip")
def _(node: OnnxNode, reader: Reader) -> Feature:
    low, high = (clip_bound(node, reader, index, name) for index, name in ((1, "min"), (2, "max")))
    return unary(node, reader, clip(low, high), node.input(0))


def clip(low: float | None, high: float | None) -> Op:
    """Clipping, by the name that it has where it has one."""
    named: dict[tuple[float | None, float | None], Function] = {(0, 6): "relu6", (0, None): "relu"}
    return ops.Activation(named[low, high]) if (low, high) in named else ops.Clip(low, high)


def clip_bound(node: OnnxNode, reader: Reader, index: int, name: str) -> float | None:
    """A bound given as an attribute or an input; None if there is none, or one that cuts nothing."""
    array = reader.array(node, index)
    given = None if array is None and name not in node.attributes else node.number(name, 0.0)
    bound = given if array is None else float(array.reshape(()))
    return None if bound is None or abs(bound) > 1e38 else rounded(bound)


@rule("PRelu")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x, slope = reader.feature(node.input(0)), reader.weight(node, 1)
    array = aligned(_channelwise(slope.array, x), x)
    if not only_channels(array):
        raise ReadError("has a slope for each position", advice="PReLU has one for each channel, or one for all")
    weights = {"weight": Constant(array.reshape(-1), slope.origin)}
    return replace(reader.emit(node, ops.PReLU(array.size > 1), base(x), weights=weights), axes=x.axes)


def _channelwise(slope: Array, x: Feature) -> Array:
    """Old exporters write the slopes of a map as (C,), which NumPy would broadcast to its columns."""
    channels = x.shape[0]
    if slope.shape == (channels,) and len(x.shape) == 3 and x.is_plain:
        return slope.reshape(channels, 1, 1)
    return slope


@rule("Softmax", "LogSoftmax")
def _(node: OnnxNode, reader: Reader) -> Feature:
    old = reader.graph.opset < 13
    seen, x = node.integer("axis", 1 if old else -1), reader.feature(node.input(0))
    axis = x.axis(seen)
    if old and prod(x.sizes(reader.batch)[seen % x.rank :]) != x.shape[axis]:
        raise ReadError("is a softmax over several axes at once", advice="flatten first")
    op = ops.Softmax(axis) if node.kind == "Softmax" else ops.LogSoftmax(axis)
    return replace(reader.emit(node, op, base(x)), axes=x.axes)
