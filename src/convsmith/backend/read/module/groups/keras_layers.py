"""Keras layers that compute in steps, known by their class; their channels are over the last dim."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from convsmith.backend.read.laid import Known, Laid
from convsmith.backend.read.module.call import Call, Symbol
from convsmith.backend.read.module.keras import is_keras
from convsmith.network import ops

Names = Mapping[str, str]
AFFINE: Names = {"weight": "gamma", "bias": "beta"}
"""Our names for parameters, and Keras'."""
RUNNING: Names = {"running_mean": "moving_mean", "running_var": "moving_variance"}


def keras_reader(layer: nn.Module) -> Callable[[Call], Symbol] | None:
    """What reads such a layer; None for all others."""
    read = LAYERS.get(type(layer).__name__) if is_keras(layer) else None
    return read and partial(read, layer)


def _batch_norm(layer: Any, call: Call) -> Symbol:
    laid = _channels(call, int(layer.axis))
    weights = _weights(layer, call, {**AFFINE, **RUNNING})
    if laid is None or not RUNNING.keys() <= weights.keys():
        return None
    op = ops.BatchNorm(float(layer.epsilon), 1 - float(layer.momentum), "weight" in weights, bias="bias" in weights)
    return replace(laid, value=call.add(op, laid.value, weights=weights))


def _group_norm(layer: Any, call: Call) -> Symbol:
    laid = _channels(call, int(layer.axis))
    if laid is None:
        return None
    weights = _weights(layer, call, AFFINE)
    groups = laid.value.shape[0] if layer.groups == -1 else int(layer.groups)
    op = ops.GroupNorm(groups, float(layer.epsilon), "weight" in weights, "bias" in weights)
    return replace(laid, value=call.add(op, laid.value, weights=weights))


def _prelu(layer: Any, call: Call) -> Symbol:
    """Parametric ReLU, if all positions share a channel's slope."""
    laid = _channels(call, -1)
    alpha = _weights(layer, call, {"weight": "alpha"})["weight"]
    if laid is None or alpha.tensor.numel() != alpha.tensor.shape[-1]:
        return None
    return replace(
        laid, value=call.add(ops.PReLU(), laid.value, weights={"weight": alpha.like(alpha.tensor.flatten())})
    )


def _channels(call: Call, dim: int) -> Laid | None:
    """The input over a value whose first axis is this dim; None if it is another."""
    laid = call.laid("input")
    laid, axis = call.layouts.with_axis(laid, dim % len(laid.sizes), call.spot)
    return laid if axis == 0 else None


def _weights(layer: Any, call: Call, names: Names) -> dict[str, Known]:
    """A layer's variables by our names, those that it has."""
    found = {}
    for ours, theirs in names.items():
        variable = getattr(layer, theirs, None)
        if variable is not None:
            name = f"{call.spot.scope}.{theirs}"
            found[ours] = Known(variable.value.detach(), frozenset([name]), name)
    return found


LAYERS: dict[str, Callable[[Any, Call], Symbol]] = {
    "BatchNormalization": _batch_norm,
    "GroupNormalization": _group_norm,
    "PReLU": _prelu,
}
