"""What an operator's time is interpolated over: logarithms of its sizes, and how well it fills an engine's tiles."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2

import numpy as np
from numpy.typing import NDArray

from convsmith.devices.unit import PRODUCTS, Unit, size

LANES = 16
"""float32 numbers in a register of 512 bits, which engines take channels in multiples of."""
TILE_POSITIONS, TILE_BLOCKS = 6, 4
"""Positions, and blocks of channels, that a convolution kernel holds in registers."""

CHEAP = ("", "relu", "relu6", "clip", "leaky_relu", "abs", "neg", "square", "scale")
CURVED = ("sigmoid", "tanh", "silu", "hard_swish", "hard_sigmoid", "exp", "elu", "softplus", "sqrt")
"""Functions by how many operations they take; others take more."""

NAMES = (
    "log channels in", "log channels out", "log area out", "log area in", "log width out", "log kernel",
    "log kernel width", "log stride", "log group width", "log work", "log bytes", "log weights", "filled lanes in",
    "filled lanes out", "filled positions", "filled blocks", "log inputs", "curved", "expensive", "dilated",
    "pointwise", "footprint",
)  # fmt: skip


def features(unit: Unit) -> tuple[float, ...]:
    """The numbers of `NAMES` for an operator. Those that do not differ within a kind have no say."""
    before, after = unit.input, unit.output
    channels_in, channels_out = before[0], after[0]
    area_in, area_out = size(before[1:]), size(after[1:])
    width = after[-1] if len(after) > 1 else 1
    kernel = unit.kernel[0] * unit.kernel[1]
    group = channels_in // unit.groups
    work = unit.macs if unit.kind in PRODUCTS else size(after) * kernel
    blocks = ceil(channels_out / unit.groups / LANES) if unit.kind != "depthwise" else ceil(channels_out / LANES)
    return (
        log2(channels_in),
        log2(channels_out),
        log2(area_out),
        log2(area_in),
        log2(width),
        log2(kernel),
        log2(unit.kernel[1]),
        log2(unit.stride[0] * unit.stride[1]),
        log2(max(1, group)),
        log2(1 + work),
        log2(unit.moved),
        log2(1 + unit.weights),
        _filled(group, LANES) if unit.kind != "depthwise" else _filled(channels_in, LANES),
        _filled(channels_out // (1 if unit.kind == "depthwise" else unit.groups), LANES),
        _filled(width, TILE_POSITIONS),
        _filled(blocks, TILE_BLOCKS),
        log2(unit.inputs),
        float(unit.function in CURVED),
        float(unit.function not in CHEAP + CURVED),
        float(unit.dilation != (1, 1)),
        float(kernel == 1),
        float(unit.footprint),
    )


def matrix(units: Sequence[Unit]) -> NDArray[np.float64]:
    """The features of several operators, (operators, features)."""
    return np.array([features(unit) for unit in units], np.float64).reshape(len(units), len(NAMES))


def _filled(count: int, tile: int) -> float:
    """Of the last tiles' room, what is used: 1 where `count` is a multiple of the tile."""
    return count / (ceil(count / tile) * tile) if count else 1.0
