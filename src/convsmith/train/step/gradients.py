"""How long the gradients are: in deep plain networks they vanish or explode, in residual ones they do not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn


@dataclass(frozen=True)
class GradientNorms:
    """L2 norms of one step's gradients: of all parameters together, and of each layer's kernel by the layer's name.

    None, or no entry, where a norm is not finite.
    """

    total: float | None
    layers: Mapping[str, float] = field(default_factory=dict)


def gradient_norms(module: nn.Module) -> GradientNorms:
    """The norms of the gradients that the module's parameters have now. Waits for the device."""
    reached = [(name, p.ndim, p.grad) for name, p in module.named_parameters() if p.grad is not None]
    if not reached:
        return GradientNorms(0.0)
    norms = torch.stack([torch.linalg.vector_norm(gradient.float()) for _, _, gradient in reached]).tolist()
    layers: dict[str, float] = {}
    for (name, dimensions, _), norm in zip(reached, norms, strict=True):
        if dimensions > 1:  # not biases and norms, which would only crowd the board
            layer = name.rpartition(".")[0] or name
            layers[layer] = math.hypot(layers.get(layer, 0.0), norm)
    total = math.hypot(*norms)
    finite = {layer: norm for layer, norm in layers.items() if math.isfinite(norm)}
    return GradientNorms(total if math.isfinite(total) else None, finite)
