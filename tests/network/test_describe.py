"""Ops in a few words."""

from __future__ import annotations

import pytest

from convsmith.network import ops
from convsmith.network.describe import describe, short

WORDS = {
    "conv 3x3, 64": ops.Conv(64, (3, 3)),
    "conv 7x7 / 2, 64": ops.Conv(64, (7, 7), (2, 2)),
    "conv 1x7 / 1x2, 64": ops.Conv(64, (1, 7), (1, 2)),
    "depthwise 3x3 / 2, 32": ops.Conv(32, (3, 3), (2, 2), groups=32),
    "conv 5x5, 256, 2 groups": ops.Conv(256, (5, 5), groups=2),
    "conv 3x3, 64, dilated 2": ops.Conv(64, (3, 3), dilation=(2, 2)),
    "conv 5x5, 2, 3 connections": ops.TableConv(((0, 1), (1,)), (5, 5)),
    "conv transpose 2x2 / 2, 64": ops.ConvTranspose(64, (2, 2), (2, 2)),
    "max pool 3x3 / 2": ops.MaxPool((3, 3), (2, 2)),
    "global average pool": ops.AdaptiveAvgPool(),
    "average pool to 7x7": ops.AdaptiveAvgPool((7, 7)),
    "linear 1000": ops.Linear(1000),
    "hard swish": ops.Activation("hard_swish"),
    "batch norm": ops.BatchNorm(),
    "dropout 0.5": ops.Dropout(),
    "scale 0.17": ops.Scale(0.17),
    "channels 0 to 24": ops.Slice(0, 24),
    "add": ops.Add(),
    "group norm 8": ops.GroupNorm(8),
    "max over channels": ops.Reduce("max", (0,), keep=True),
    "mean over axes 0, 1": ops.Reduce("mean", (0, 1)),
    "global max pool": ops.AdaptiveMaxPool(),
    "L2 pool 2x2 / 2": ops.LpPool((2, 2), (2, 2)),
    "clip -1..1": ops.Clip(-1.0, 1.0),
    "clip 0..": ops.Clip(low=0.0),
    "parameter 96x1x1": ops.Constant((96, 1, 1)),
    "constant 1x7x7": ops.Constant((1, 7, 7), trainable=False),
    "reshape to 2x-1": ops.Reshape((2, -1)),
    "permute 1, 2, 0": ops.Permute((1, 2, 0)),
    "reflect pad": ops.Pad((1, 1, 1, 1), mode="reflect"),
    "scale -1 and shift 1": ops.Scale(-1.0, 1.0),
    "shift 3": ops.Scale(1.0, 3.0),
    "rows 0 to 8 by 2": ops.Slice(0, 8, axis=1, step=2),
    "pixel shuffle 2": ops.PixelShuffle(2),
    "upsample 2x2": ops.Upsample(),
    "bilinear upsample 0.5x2": ops.Upsample((0.5, 2), "bilinear"),
    "bilinear resize to 7x7": ops.Resize((7, 7), "bilinear"),
}


@pytest.mark.parametrize("words", WORDS)
def test_an_op_is_described_by_what_matters(words):
    assert describe(WORDS[words]) == words


def test_counts_have_three_digits_and_a_unit():
    counts = {0: "0", 999: "999", 1000: "1 K", 25_557_032: "25.6 M", 999_499: "999 K", 999_500: "1 M"}
    assert {count: short(count) for count in counts} == counts
    assert short(3_857_973_248) == "3.86 G"
    assert short(1.5e13) == "15 T"
