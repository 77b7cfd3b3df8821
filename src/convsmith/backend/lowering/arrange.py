"""Rules for ops that move, drop, repeat or add elements, and for resampling."""

from __future__ import annotations

import operator

import torch
from torch import nn
from torch.nn import functional as F

from convsmith.backend.lowering.rule import Call, lower
from convsmith.network import ops
from convsmith.network.dims import Shape


@lower.register
def _(op: ops.Flatten, inputs: list[Shape]) -> Call:
    return Call(torch.flatten, (op.start + 1,))


@lower.register
def _(op: ops.Reshape, inputs: list[Shape]) -> Call:
    return Call(torch.reshape, ((-1, *op.shape(*inputs)),))


@lower.register
def _(op: ops.Permute, inputs: list[Shape]) -> Call:
    return Call(torch.permute, ((0, *(axis + 1 for axis in op.axes)),))


@lower.register
def _(op: ops.Expand, inputs: list[Shape]) -> Call:
    return Call("expand", (-1, *op.size))


@lower.register
def _(op: ops.Repeat, inputs: list[Shape]) -> Call:
    return Call(torch.tile, ((1, *op.times),))


@lower.register
def _(op: ops.Slice, inputs: list[Shape]) -> Call:
    if op.step == 1:
        return Call(torch.narrow, (op.axis + 1, op.start, op.stop - op.start))
    whole = (slice(None),) * (op.axis + 1)
    return Call(operator.getitem, ((*whole, slice(op.start, op.stop, op.step)),))


@lower.register
def _(op: ops.ChannelShuffle, inputs: list[Shape]) -> nn.Module:
    return nn.ChannelShuffle(op.groups)


@lower.register
def _(op: ops.Pad, inputs: list[Shape]) -> Call:
    top, bottom, left, right = op.padding
    if op.mode != "constant":
        return Call(F.pad, ((left, right, top, bottom), op.mode))
    edges = (left, right, top, bottom, *op.channels)
    return Call(F.pad, (edges, "constant", op.value) if op.value else (edges,))


@lower.register
def _(op: ops.PixelShuffle, inputs: list[Shape]) -> nn.Module:
    return nn.PixelShuffle(op.factor)


@lower.register
def _(op: ops.PixelUnshuffle, inputs: list[Shape]) -> nn.Module:
    return nn.PixelUnshuffle(op.factor)


@lower.register
def _(op: ops.Upsample, inputs: list[Shape]) -> nn.Module:
    factor = (float(op.factor[0]), float(op.factor[1]))
    return nn.Upsample(scale_factor=factor, mode=op.mode.replace("_", "-"), align_corners=_corners(op))


@lower.register
def _(op: ops.Resize, inputs: list[Shape]) -> nn.Module:
    return nn.Upsample(op.size, mode=op.mode.replace("_", "-"), align_corners=_corners(op))


def _corners(op: ops.Upsample | ops.Resize) -> bool | None:
    """torch wants None where the question does not arise."""
    return None if op.mode.startswith("nearest") else op.align_corners
