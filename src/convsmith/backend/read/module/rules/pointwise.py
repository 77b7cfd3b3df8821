"""Rules for functions of each element."""

from __future__ import annotations

from typing import get_args

from convsmith.backend.read.laid import Known, Laid
from convsmith.backend.read.module.call import Call, Symbol, rule
from convsmith.network import ops
from convsmith.network.ops.pointwise import Function

NAMES: dict[str, Function] = {
    "hardsigmoid": "hard_sigmoid",
    "hardswish": "hard_swish",
    **{name: name for name in get_args(Function) if name not in ("gelu", "scaled_tanh")},
}
"""Torch's operations, and how we call the function."""


@rule(*NAMES)
def function(call: Call) -> Symbol:
    return _apply(call, ops.Activation(NAMES[call.packet.rstrip("_")]))


def _apply(call: Call, op: ops.Op, word: str = "") -> Laid:
    """The function applied to the value as it lies: elements do not care for their order."""
    laid = call.laid("self" if "self" in call.arguments else "input")
    return Laid(call.add(op, laid.value, word=word), laid.axes)


@rule("gelu")
def gelu(call: Call) -> Symbol:
    return _apply(call, ops.Activation("gelu_tanh" if call["approximate"] == "tanh" else "gelu"))


@rule("hardtanh", "clamp", "clip")
def clip(call: Call) -> Symbol:
    low, high = (
        _number(call, call["min_val" if "min_val" in call.arguments else "min"]),
        _number(call, call["max_val" if "max_val" in call.arguments else "max"]),
    )
    if (low, high) == (0, 6):
        return _apply(call, ops.Activation("relu6"), "relu6")
    return _apply(call, ops.Clip(low, high), "clip")


@rule("clamp_min", "clamp_max")
def clip_one_side(call: Call) -> Symbol:
    if call.packet.startswith("clamp_min"):
        return _apply(call, ops.Clip(low=_number(call, call["min"])), "clip")
    return _apply(call, ops.Clip(high=_number(call, call["max"])), "clip")


def _number(call: Call, value: Symbol) -> float | None:
    if isinstance(value, Known) and value.tensor.numel() == 1:
        return float(value.tensor)
    if isinstance(value, (Known, Laid)):
        call.refuse(f"{call.packet} by a tensor", "use numbers, or torch.maximum and torch.minimum")
    return None if value is None else float(value)


@rule("leaky_relu")
def leaky_relu(call: Call) -> Symbol:
    return _apply(call, ops.LeakyReLU(float(call["negative_slope"])))


@rule("rrelu", "rrelu_with_noise")
def randomized_relu(call: Call) -> Symbol:
    """In evaluation, leaky with the mean of its slopes."""
    call.draft.note(f"{call.spot.place}: RReLU is read as a leaky ReLU with the mean of its slopes")
    return _apply(call, ops.LeakyReLU((float(call["lower"]) + float(call["upper"])) / 2))


@rule("elu")
def elu(call: Call) -> Symbol:
    if call["scale"] != 1 or call["input_scale"] != 1:
        call.refuse("elu with scales of its own", "use nn.ELU or nn.SELU")
    return _apply(call, ops.ELU(float(call["alpha"])))


@rule("celu")
def celu(call: Call) -> Symbol:
    return _apply(call, ops.CELU(float(call["alpha"])))


@rule("softplus")
def softplus(call: Call) -> Symbol:
    return _apply(call, ops.Softplus(float(call["beta"])))


@rule("hardshrink", "softshrink")
def shrink(call: Call) -> Symbol:
    kind = ops.Hardshrink if call.packet.startswith("hard") else ops.Softshrink
    return _apply(call, kind(float(call["lambd"])))


@rule("threshold")
def threshold(call: Call) -> Symbol:
    if call["threshold"] != 0 or call["value"] != 0:
        call.refuse("a threshold other than 0", "use nn.ReLU or nn.Hardshrink")
    return _apply(call, ops.Activation("relu"), "relu")


@rule("fake_quantize_per_tensor_affine", "fake_quantize_per_tensor_affine_cachemask")
def quantize(call: Call) -> Symbol:
    """Rounding to a grid, as quantization-aware training has it."""
    low, high = int(call["quant_min"]), int(call["quant_max"])
    bits = (high - low + 1).bit_length() - 1
    symmetric = low < 0
    if (low, high) != ((-(1 << bits - 1), (1 << bits - 1) - 1) if symmetric else (0, (1 << bits) - 1)):
        call.refuse(f"quantization to {low} to {high}", "use all integers of a number of bits")
    scale, zero = (_number(call, call[name]) for name in ("scale", "zero_point"))
    result = _apply(call, ops.Quantize(scale or 0.0, int(zero or 0), bits, symmetric), "quantize")
    return (result, None) if call.packet.endswith("mask") else result


@rule("prelu", "_prelu_kernel")
def prelu(call: Call) -> Symbol:
    weight = call.known("weight")
    if weight is None:
        call.refuse("prelu without a slope")
    flat = Known(weight.tensor.flatten(), weight.sources, weight.name)
    laid = call.laid("self")
    if weight.tensor.numel() == 1:
        return Laid(call.add(ops.PReLU(per_channel=False), laid.value, weights={"weight": flat}), laid.axes)
    laid, axis = call.layouts.with_axis(laid, 1, call.spot)
    if axis != 0:
        laid = call.layouts.settled(laid, call.spot)
    return Laid(call.add(ops.PReLU(), laid.value, weights={"weight": flat}), laid.axes)


@rule("softmax", "_softmax", "log_softmax", "_log_softmax", "special_softmax", "special_log_softmax")
def softmax(call: Call) -> Symbol:
    laid = call.laid("self")
    return soften(call, laid, call["dim"] % len(laid.sizes), log="log" in call.packet)


def soften(call: Call, laid: Laid, dim: int, *, log: bool = False) -> Laid:
    """Softmax along a dim, or its logarithm."""
    laid, axis = call.layouts.with_axis(laid, dim, call.spot)
    op = ops.LogSoftmax(axis) if log else ops.Softmax(axis)
    return Laid(call.add(op, laid.value, word=op.kind), laid.axes)
