"""Rules for normalisation."""

from __future__ import annotations

from typing import Any

import torch

from convsmith.backend.read.laid import Known, Laid
from convsmith.backend.read.module.call import Call, Symbol, rule
from convsmith.network import ops


def _given(call: Call, **names: str) -> dict[str, Known]:
    """Parameters by our names, those that are there."""
    found = {ours: call.known(theirs) for ours, theirs in names.items()}
    return {ours: known for ours, known in found.items() if known is not None}


def _channels(call: Call, laid: Laid) -> Laid:
    """The tensor over a value whose first axis is its channels, dim 1."""
    moved, axis = call.layouts.with_axis(laid, 1, call.spot)
    if axis == 0 and len(moved.value.shape) <= 3:
        return moved
    dims = len(laid.sizes)
    return call.layouts.lay(call.maps(laid)) if dims == 4 else call.layouts.settled(laid, call.spot)


@rule(
    "batch_norm",
    "native_batch_norm",
    "_native_batch_norm_legit",
    "_native_batch_norm_legit_no_training",
    "cudnn_batch_norm",
)
def batch_norm(call: Call) -> Symbol:
    mean, variance = call.known("running_mean"), call.known("running_var")
    if mean is None or variance is None:
        call.refuse(
            "batch norm without running statistics: an image's answer depends on the rest of its batch",
            "set track_running_stats=True, or use instance or group norm",
        )
    weights = _given(call, weight="weight", bias="bias", running_mean="running_mean", running_var="running_var")
    op = ops.BatchNorm(float(call["eps"]), float(call["momentum"]), scale="weight" in weights, bias="bias" in weights)
    laid = _channels(call, call.laid("input"))
    result = Laid(call.add(op, laid.value, word="bn", weights=weights), laid.axes)
    return result if call.packet == "batch_norm" else (result, None, None)


@rule("instance_norm")
def instance_norm(call: Call) -> Symbol:
    running = not call["use_input_stats"]
    names = {"weight": "weight", "bias": "bias"}
    weights = _given(
        call, **names, **({"running_mean": "running_mean", "running_var": "running_var"} if running else {})
    )
    op = ops.InstanceNorm(
        float(call["eps"]), float(call["momentum"]), scale="weight" in weights, bias="bias" in weights, running=running
    )
    value = call.maps(call.laid("input"), len(call.sizes) - 2)
    return call.lay(call.add(op, value, word="norm", weights=weights))


@rule("group_norm")
def group_norm(call: Call) -> Symbol:
    weights = _given(call, weight="weight", bias="bias")
    op = ops.GroupNorm(call["num_groups"], float(call["eps"]), "weight" in weights, "bias" in weights)
    laid = call.laid("input")
    if not laid.axes.is_(laid.value.shape):
        laid = call.layouts.settled(laid, call.spot)
    return Laid(call.add(op, laid.value, word="norm", weights=weights), laid.axes)


@rule("layer_norm")
def layer_norm(call: Call) -> Symbol:
    weights = _given(call, weight="weight", bias="bias")
    laid, axes = _last(call, len(call["normalized_shape"]))
    op = ops.LayerNorm(axes, float(call["eps"]), "weight" in weights, "bias" in weights)
    return Laid(call.add(op, laid.value, word="norm", weights=weights), laid.axes)


@rule("rms_norm")
def rms_norm(call: Call) -> Symbol:
    weights = _given(call, weight="weight")
    laid, axes = _last(call, len(call["normalized_shape"]))
    eps = call["eps"] if call["eps"] is not None else torch.finfo(torch.float32).eps
    op = ops.RMSNorm(axes, float(eps), "weight" in weights)
    return Laid(call.add(op, laid.value, word="norm", weights=weights), laid.axes)


def _last(call: Call, count: int) -> tuple[Laid, tuple[int, ...]]:
    """The tensor, and the axes of its value that are its last dims, in order."""
    laid = call.laid("input")
    dims = range(len(laid.sizes) - count, len(laid.sizes))
    if count == 1:
        moved, axis = call.layouts.with_axis(laid, dims[0], call.spot)
        return moved, (axis,)
    axes: list[Any] = [laid.axes.axis_of(dim, laid.value.shape) for dim in dims]
    if None in axes or sorted(set(axes)) != axes or not all(laid.axes.dims[dim] for dim in dims):
        laid = call.layouts.settled(laid, call.spot)
        axes = [dim - 1 for dim in dims]
    return laid, tuple(axes)
