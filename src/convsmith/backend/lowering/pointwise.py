"""Rules for functions of each element, and for noise in training."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from convsmith.backend import layers
from convsmith.backend.lowering.rule import Call, lower
from convsmith.network import ops
from convsmith.network.dims import Shape

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": layers.ReLU6,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "scaled_tanh": layers.ScaledTanh,
    "silu": nn.SiLU,
    "hard_sigmoid": nn.Hardsigmoid,
    "hard_swish": nn.Hardswish,
    "gelu": nn.GELU,
    "gelu_tanh": partial(nn.GELU, "tanh"),
    "selu": nn.SELU,
    "mish": nn.Mish,
    "softsign": nn.Softsign,
    "log_sigmoid": nn.LogSigmoid,
    "tanhshrink": nn.Tanhshrink,
}
"""Activations. The other functions have the name of torch's."""


@lower.register
def _(op: ops.Activation, inputs: list[Shape]) -> nn.Module | Call:
    return LAYERS[op.function]() if op.function in LAYERS else Call(getattr(torch, op.function))


@lower.register
def _(op: ops.LeakyReLU, inputs: list[Shape]) -> nn.Module:
    return nn.LeakyReLU(op.slope)


@lower.register
def _(op: ops.ELU, inputs: list[Shape]) -> nn.Module:
    return nn.ELU(op.alpha)


@lower.register
def _(op: ops.CELU, inputs: list[Shape]) -> nn.Module:
    return nn.CELU(op.alpha)


@lower.register
def _(op: ops.Softplus, inputs: list[Shape]) -> nn.Module:
    return nn.Softplus(op.beta)


@lower.register
def _(op: ops.Hardshrink, inputs: list[Shape]) -> nn.Module:
    return nn.Hardshrink(op.threshold)


@lower.register
def _(op: ops.Softshrink, inputs: list[Shape]) -> nn.Module:
    return nn.Softshrink(op.threshold)


@lower.register
def _(op: ops.Clip, inputs: list[Shape]) -> nn.Module | Call:
    if op.low is None and op.high is None:
        return nn.Identity()
    if op.low is None or op.high is None or op.low == op.high:
        return Call(torch.clamp, (op.low, op.high))
    return nn.Hardtanh(op.low, op.high)


@lower.register
def _(op: ops.PReLU, inputs: list[Shape]) -> nn.Module:
    return nn.PReLU(inputs[0][0] if op.per_channel else 1)


@lower.register
def _(op: ops.Softmax, inputs: list[Shape]) -> nn.Module:
    return nn.Softmax(op.axis + 1)


@lower.register
def _(op: ops.LogSoftmax, inputs: list[Shape]) -> nn.Module:
    return nn.LogSoftmax(op.axis + 1)


@lower.register
def _(op: ops.Affine, inputs: list[Shape]) -> nn.Module:
    return layers.Affine2d(inputs[0][0])


@lower.register
def _(op: ops.Scale, inputs: list[Shape]) -> Call:
    if op.shift == 0:
        return Call(operator.mul, (op.factor,))
    return Call(operator.add, (op.shift,)) if op.factor == 1 else Call(layers.scale, (op.factor, op.shift))


@lower.register
def _(op: ops.SkipInit, inputs: list[Shape]) -> nn.Module:
    return layers.SkipInit()


DROPOUT_OF_CHANNELS: dict[int, type[nn.Module]] = {1: nn.Dropout, 2: nn.Dropout1d, 3: nn.Dropout2d, 4: nn.Dropout3d}
"""By how many axes the input has: a channel of a vector is one element."""


@lower.register
def _(op: ops.Dropout, inputs: list[Shape]) -> nn.Module:
    layer = nn.Dropout if op.unit == "element" else DROPOUT_OF_CHANNELS[len(inputs[0])]
    return layer(op.p)


@lower.register
def _(op: ops.AlphaDropout, inputs: list[Shape]) -> nn.Module:
    return nn.AlphaDropout(op.p)


@lower.register
def _(op: ops.StochasticDepth, inputs: list[Shape]) -> nn.Module:
    return layers.StochasticDepth(op.p)


@lower.register
def _(op: ops.Quantize, inputs: list[Shape]) -> nn.Module:
    return layers.Quantize(op.scale, op.zero_point, op.lowest, op.highest)
