"""Every op, by class and by its `kind` in JSON."""

from __future__ import annotations

from convsmith.network.ops.base import Op, Parameter, Window
from convsmith.network.ops.conv import Conv, ConvTranspose, StandardizedConv, TableConv
from convsmith.network.ops.dense import Flatten, Linear, RadialBasis
from convsmith.network.ops.merge import Add, ChannelShuffle, Concat, Multiply, Pad, Slice, Upsample
from convsmith.network.ops.pointwise import (
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
from convsmith.network.ops.pool import AdaptiveAvgPool, AvgPool, MaxPool
from convsmith.network.ops.quantize import Quantize

OPS: dict[str, type[Op]] = {
    op.kind: op
    for op in (
        Activation,
        AdaptiveAvgPool,
        Add,
        Affine,
        AvgPool,
        BatchNorm,
        ChannelShuffle,
        Concat,
        Conv,
        ConvTranspose,
        Dropout,
        FixedNorm,
        Flatten,
        Linear,
        LocalResponseNorm,
        MaxPool,
        Multiply,
        Pad,
        Quantize,
        RadialBasis,
        Scale,
        SkipInit,
        Slice,
        StandardizedConv,
        StochasticDepth,
        TableConv,
        Upsample,
    )
}

__all__ = [
    "OPS",
    "Activation",
    "AdaptiveAvgPool",
    "Add",
    "Affine",
    "AvgPool",
    "BatchNorm",
    "ChannelShuffle",
    "Concat",
    "Conv",
    "ConvTranspose",
    "Dropout",
    "FixedNorm",
    "Flatten",
    "Linear",
    "LocalResponseNorm",
    "MaxPool",
    "Multiply",
    "Op",
    "Pad",
    "Parameter",
    "Quantize",
    "RadialBasis",
    "Scale",
    "SkipInit",
    "Slice",
    "StandardizedConv",
    "StochasticDepth",
    "TableConv",
    "Upsample",
    "Window",
]
