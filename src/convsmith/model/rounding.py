"""A trained model rounded to few bits by the simplest rules: the largest weight, the range of the activations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from convsmith.model.codecs.integers import nearest, on_grid
from convsmith.model.fuse import fuse_norm
from convsmith.model.model import Model
from convsmith.model.ranges import observe
from convsmith.network import INPUT, Network, ops
from convsmith.network.storage import IntegerStorage, Storage, with_storage
from convsmith.transform.quantize import quantize_activations

CHANNEL_AXIS: Mapping[type[ops.Op], int | None] = {
    ops.Conv: 0,
    ops.ConvTranspose: 1,
    ops.Linear: 0,
    ops.TableConv: None,
}
"""The axis of a weight along which each index is an output channel; a connection table has none.

In a grouped transposed convolution an index is one output channel of every group.
"""

ADDS_IN_INTEGERS = (ops.Conv, ops.Linear, ops.TableConv)
"""What engines have integer kernels for that add a bias."""


class Rounded(NamedTuple):
    """A parameter's integers, of a storage's range, and the grid that says which values they mean."""

    integers: Tensor
    grid: dict[str, Tensor]


Rounding = Callable[[IntegerStorage, Tensor], Rounded]
"""How a parameter is put on integers."""


def round_to_int8(model: Model, batches: Iterable[Tensor]) -> Model:
    """The model as engines run it in 8-bit integers: norms fused, weights and activations rounded.

    `batches` are prepared images to calibrate on, float32 (N, C, H, W): each activation's grid spans what it took on
    them. Weights of convolutions and dense layers have one scale for each output channel. Biases are multiples of what
    engines add up, and stored as float32. Raises UsageError as `observe` does.
    """
    fused = fuse_norm(model.inference)
    ranges = observe(fused, batches)
    rounded = round_weights(fused, integer_weights(fused.network))
    return round_biases(replace(rounded, network=quantize_activations(rounded.network, ranges)))


def integer_weights(net: Network, bits: int = 8) -> dict[str, IntegerStorage]:
    """A storage for the weight of each convolution and dense layer, by key: symmetric, a scale an output channel."""
    return {
        f"{node.name}.weight": IntegerStorage(bits, CHANNEL_AXIS[type(node.op)])
        for node in net
        if type(node.op) in CHANNEL_AXIS and not node.shares
    }


def nearest_to_largest(storage: IntegerStorage, values: Tensor) -> Rounded:
    """The simplest rule: the largest value becomes the largest integer."""
    grid = absmax_grid(storage, values)
    return Rounded(nearest(storage, values, grid), grid)


def round_weights(
    model: Model, storage: Mapping[str, IntegerStorage], rounding: Rounding = nearest_to_largest
) -> Model:
    """The model with these parameters, by key, rounded to whole numbers by a rule.

    Other parameters stay as they are stored. Raises UnknownNameError and ShapeError as `with_storage` does.
    """
    kept: dict[str, Storage] = {**dict(model.network.storage), **storage}
    network = with_storage(model.network, kept)
    weights, grids = dict(model.weights), dict(model.grids)
    for key, integers in storage.items():
        rounded = rounding(integers, weights[key])
        grids[key] = rounded.grid
        weights[key] = on_grid(integers, rounded.integers, rounded.grid)
    return replace(model, network=network, weights=weights, grids=grids)


def round_biases(model: Model) -> Model:
    """The model with each bias behind integers at a multiple of input scale times weight scale.

    That is the unit in which engines add up products, to 32 bits; so they add the same bias as torch does.
    """
    net, weights = model.network, dict(model.weights)
    for node in net:
        if type(node.op) not in ADDS_IN_INTEGERS or node.inputs[0] == INPUT:
            continue
        source = net[node.inputs[0]].op
        weight, bias = (f"{node.shares or node.name}.{name}" for name in ("weight", "bias"))
        if isinstance(source, ops.Quantize) and weight in model.grids and bias in weights:
            unit = source.scale * model.grids[weight]["scale"].double()
            weights[bias] = (torch.round(weights[bias].double() / unit) * unit).float()
    return replace(model, weights=weights)


def absmax_grid(storage: IntegerStorage, values: Tensor) -> dict[str, Tensor]:
    """The narrowest grid that reaches every value, and 0.

    Symmetric: scale = largest magnitude / (2^(bits-1) - 1), so that the range is as wide below 0 as above. Otherwise:
    from the smallest value, or 0, to the largest, or 0. A channel of zeros has scale 1.
    """
    low, high = _ends(storage, values.float())
    if storage.symmetric:
        scale = torch.maximum(-low, high) / storage.highest
    else:
        scale = (high - low) / (storage.highest - storage.lowest)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    if storage.symmetric:
        return {"scale": scale}
    zero = (storage.lowest - low / scale).round().clamp(storage.lowest, storage.highest)
    return {"scale": scale, "zero_point": zero.to(torch.int8)}


def _ends(storage: IntegerStorage, values: Tensor) -> tuple[Tensor, Tensor]:
    """The smallest value or 0 and the largest or 0, of all or along the axis."""
    rows = values.reshape(1, -1) if storage.axis is None else values.movedim(storage.axis, 0).flatten(1)
    if storage.axis is not None and values.ndim == 1:
        rows = values.reshape(-1, 1)
    low, high = torch.aminmax(rows, dim=1)
    low, high = low.clamp(max=0), high.clamp(min=0)
    return (low[0], high[0]) if storage.axis is None else (low, high)
