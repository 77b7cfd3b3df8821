"""Rules for ops that join branches, and for constants."""

from __future__ import annotations

import operator

import torch
from torch import nn

from convsmith.backend import layers
from convsmith.backend.lowering.rule import Call, lower
from convsmith.network import ops
from convsmith.network.dims import Shape


@lower.register
def _(op: ops.Add, inputs: list[Shape]) -> Call:
    return Call(operator.add) if len(inputs) == 2 else Call(sum, many=True)


@lower.register
def _(op: ops.Subtract, inputs: list[Shape]) -> Call:
    return Call(operator.sub)


@lower.register
def _(op: ops.Multiply, inputs: list[Shape]) -> Call:
    return Call(operator.mul)


@lower.register
def _(op: ops.Divide, inputs: list[Shape]) -> Call:
    return Call(operator.truediv)


@lower.register
def _(op: ops.Maximum, inputs: list[Shape]) -> Call:
    return Call(torch.maximum)


@lower.register
def _(op: ops.Minimum, inputs: list[Shape]) -> Call:
    return Call(torch.minimum)


@lower.register
def _(op: ops.Power, inputs: list[Shape]) -> Call:
    return Call(torch.pow)


@lower.register
def _(op: ops.Concat, inputs: list[Shape]) -> Call:
    return Call(torch.cat, (op.axis + 1,), many=True)


@lower.register
def _(op: ops.Constant, inputs: list[Shape]) -> nn.Module:
    return layers.Constant(op.size, trainable=op.trainable)
