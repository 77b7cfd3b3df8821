"""Rules for convolutions, dense layers and matrix products."""

from __future__ import annotations

import torch
from torch import nn

from convsmith.backend import layers
from convsmith.backend.lowering.rule import Call, even, lower
from convsmith.network import ops
from convsmith.network.dims import Shape


@lower.register
def _(op: ops.Conv, inputs: list[Shape]) -> nn.Module:
    channels, padding = inputs[0][0], even(op.padding)
    if padding is None:
        return layers.UnevenConv2d(
            channels, op.channels, op.kernel, op.padding,
            stride=op.stride, dilation=op.dilation, groups=op.groups, bias=op.bias,
        )  # fmt: skip
    return layers.Conv2d(channels, op.channels, op.kernel, op.stride, padding, op.dilation, op.groups, op.bias)


@lower.register
def _(op: ops.StandardizedConv, inputs: list[Shape]) -> nn.Module:
    return layers.StandardizedConv2d(
        inputs[0][0], op.channels, op.kernel, op.padding, eps=op.eps,
        stride=op.stride, dilation=op.dilation, groups=op.groups, bias=op.bias,
    )  # fmt: skip


@lower.register
def _(op: ops.ConvTranspose, inputs: list[Shape]) -> nn.Module:
    channels, padding = inputs[0][0], even(op.padding)
    geometry = (op.output_padding, op.groups, op.bias, op.dilation)
    if padding is None:
        return layers.UnevenConvTranspose2d(channels, op.channels, op.kernel, op.stride, op.padding, *geometry)
    return nn.ConvTranspose2d(channels, op.channels, op.kernel, op.stride, padding, *geometry)


@lower.register
def _(op: ops.TableConv, inputs: list[Shape]) -> nn.Module:
    return layers.TableConv2d(op.table, inputs[0][0], op.kernel)


@lower.register
def _(op: ops.Linear, inputs: list[Shape]) -> nn.Module:
    return nn.Linear(inputs[0][-1], op.features, op.bias)


@lower.register
def _(op: ops.RadialBasis, inputs: list[Shape]) -> nn.Module:
    return layers.RadialBasis(op.classes, inputs[0][0])


@lower.register
def _(op: ops.MatMul, inputs: list[Shape]) -> Call:
    return Call(torch.matmul)
