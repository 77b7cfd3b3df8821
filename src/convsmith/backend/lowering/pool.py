"""Rules for pooling and other reductions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from convsmith.backend import layers
from convsmith.backend.lowering.rule import Call, even, lower
from convsmith.network import ops
from convsmith.network.dims import Shape


@lower.register
def _(op: ops.MaxPool, inputs: list[Shape]) -> nn.Module:
    padding = even(op.padding)
    if padding is None:
        return layers.UnevenMaxPool2d(op.kernel, op.stride, op.padding, dilation=op.dilation, ceil=op.ceil)
    return layers.MaxPool2d(op.kernel, op.stride, padding, op.dilation, ceil_mode=op.ceil)


@lower.register
def _(op: ops.AvgPool, inputs: list[Shape]) -> nn.Module:
    padding = even(op.padding)
    if padding is None:
        settings = {"ceil": op.ceil, "count_padding": op.count_padding}
        return layers.UnevenAvgPool2d(op.kernel, op.stride, op.padding, **settings)
    return nn.AvgPool2d(op.kernel, op.stride, padding, op.ceil, op.count_padding)


@lower.register
def _(op: ops.LpPool, inputs: list[Shape]) -> nn.Module:
    if op.padding == (0, 0, 0, 0):
        return nn.LPPool2d(op.p, op.kernel, op.stride, op.ceil)
    return layers.PaddedLpPool2d(op.p, op.kernel, op.stride, op.padding, ceil=op.ceil)


@lower.register
def _(op: ops.AdaptiveAvgPool, inputs: list[Shape]) -> nn.Module:
    return nn.AdaptiveAvgPool2d(op.size)


@lower.register
def _(op: ops.AdaptiveMaxPool, inputs: list[Shape]) -> nn.Module:
    return nn.AdaptiveMaxPool2d(op.size)


REDUCTIONS: dict[str, Callable[..., Tensor]] = {
    "mean": torch.mean,
    "sum": torch.sum,
    "max": torch.amax,
    "min": torch.amin,
}


@lower.register
def _(op: ops.Reduce, inputs: list[Shape]) -> Call:
    axes = tuple(axis + 1 for axis in op.axes)
    if op.function == "l2":
        return Call(torch.linalg.vector_norm, (2, axes, op.keep))
    return Call(REDUCTIONS[op.function], (axes, op.keep))
