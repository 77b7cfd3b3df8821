"""Batch norms folded into convolutions, weights and all."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from convsmith.model.model import Model
from convsmith.network import Network, ops
from convsmith.transform.fuse_norm import fuse_norm as fused_network, norms_to_fuse


def fuse_norm(model: Model) -> Model:
    """The model with each batch norm that follows a convolution folded into it: the same answers, but for rounding.

    Computed in float64, rounded to float32 once. Training cannot go on from it as before: the statistics are fixed.
    """
    weights = dict(model.weights)
    for norm, convolution in norms_to_fuse(model.network).items():
        _fold(weights, model.network, norm, convolution)
    return replace(model, network=fused_network(model.network), weights=weights)


def _fold(weights: dict[str, Tensor], net: Network, norm: str, convolution: str) -> None:
    """Replaces the convolution's weights and takes out the norm's."""
    layer, op = net[norm].op, net[convolution].op
    assert isinstance(layer, ops.BatchNorm)
    mean, variance, shift = (weights.pop(f"{norm}.{name}").double() for name in ("running_mean", "running_var", "bias"))
    scale = torch.rsqrt(variance + layer.eps)
    if layer.scale:
        scale = scale * weights.pop(f"{norm}.weight").double()
    # A standardised filter is the same at any scale; its gain is what scales the output.
    scaled = f"{convolution}.{'gain' if isinstance(op, ops.StandardizedConv) else 'weight'}"
    weights[scaled] = (weights[scaled].double() * _by_channel(op, scale, weights[scaled])).float()
    bias = weights.get(f"{convolution}.bias", torch.zeros_like(mean)).double()
    weights[f"{convolution}.bias"] = (shift + (bias - mean) * scale).float()


def _by_channel(op: ops.Op, scale: Tensor, weight: Tensor) -> Tensor:
    """One factor for each output channel, which are the second axis of a transposed convolution's weight."""
    shape = [1] * weight.ndim
    shape[1 if isinstance(op, ops.ConvTranspose) else 0] = -1
    return scale.view(shape)
