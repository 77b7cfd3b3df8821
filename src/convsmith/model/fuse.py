"""Batch norms folded into convolutions, weights and all."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from convsmith.backend.layers import standardized
from convsmith.model.model import Model
from convsmith.network import Network, ops
from convsmith.transform.fuse_norm import fuse_norm as fused_network, norms_to_fuse, plain_filters as plain_network


def fuse_norm(model: Model) -> Model:
    """The model with each batch norm behind a convolution or dense layer folded into it: the same answers, rounded.

    Standardised filters become plain ones. Computed in float64, rounded to float32 once. Training cannot go on from it
    as before: the statistics are fixed.
    """
    model = plain_filters(model)
    weights = dict(model.weights)
    for norm, layer in norms_to_fuse(model.network).items():
        _fold(weights, model.network, norm, layer)
    return replace(model, network=fused_network(model.network), weights=weights)


def plain_filters(model: Model) -> Model:
    """The model with each convolution that standardises its filters as the plain one that it amounts to: the same
    answers, rounded. A model without any is returned as it is.
    """
    standardized_layers = [node for node in model.network if isinstance(node.op, ops.StandardizedConv)]
    if not standardized_layers:
        return model
    weights = dict(model.weights)
    for node in standardized_layers:
        if isinstance(node.op, ops.StandardizedConv) and not node.shares:
            _standardize(weights, node.name, node.op.eps)
    return replace(model, network=plain_network(model.network), weights=weights)


def _standardize(weights: dict[str, Tensor], layer: str, eps: float) -> None:
    """Replaces filters by what the layer makes of them each time, and takes out their gain."""
    weight, gain = weights[f"{layer}.weight"].double(), weights.pop(f"{layer}.gain").double()
    weights[f"{layer}.weight"] = standardized(weight, gain, eps).float()


def _fold(weights: dict[str, Tensor], net: Network, norm: str, layer: str) -> None:
    """Replaces the layer's weights and takes out the norm's."""
    folded, op = net[norm].op, net[layer].op
    assert isinstance(folded, ops.BatchNorm)
    mean, scale = weights.pop(f"{norm}.running_mean").double(), weights.pop(f"{norm}.running_var").double()
    scale = torch.rsqrt(scale + folded.eps)
    if folded.scale:
        scale = scale * weights.pop(f"{norm}.weight").double()
    shift = weights.pop(f"{norm}.bias").double() if folded.bias else torch.zeros_like(mean)
    weights[f"{layer}.weight"] = _scaled(op, weights[f"{layer}.weight"].double(), scale).float()
    bias = weights.get(f"{layer}.bias", torch.zeros_like(mean)).double()
    weights[f"{layer}.bias"] = (shift + (bias - mean) * scale).float()


def _scaled(op: ops.Op, weight: Tensor, scale: Tensor) -> Tensor:
    """The weight times a factor for each output channel, which is its first axis but in a transposed convolution."""
    if isinstance(op, ops.ConvTranspose):
        # (C, channels / groups, h, w): output channel g * n + j is column j of the rows of group g.
        groups = weight.view(op.groups, -1, *weight.shape[1:])
        return (groups * scale.view(op.groups, 1, -1, 1, 1)).view_as(weight)
    return weight * scale.view(-1, *[1] * (weight.ndim - 1))
