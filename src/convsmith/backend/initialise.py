"""Filling parameters as their `Init` says."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from convsmith.network.init import Init


def fill(tensor: Tensor, init: Init, generator: torch.Generator) -> None:
    """Fill in place. Fans count a kernel's area, as in the papers that `Init` names."""
    with torch.no_grad():
        match init.kind:
            case "constant":
                tensor.fill_(init.value)
            case "normal":
                tensor.normal_(0, init.value, generator=generator)
            case "uniform":
                tensor.uniform_(-init.value, init.value, generator=generator)
            case "he_fan_in":
                tensor.normal_(0, math.sqrt(2 / _fan_in(tensor)), generator=generator)
            case "he_fan_out":
                tensor.normal_(0, math.sqrt(2 / _fan_out(tensor)), generator=generator)
            case "glorot_uniform":
                limit = math.sqrt(6 / (_fan_in(tensor) + _fan_out(tensor)))
                tensor.uniform_(-limit, limit, generator=generator)
            case "lecun_uniform":
                limit = 1 / math.sqrt(_fan_in(tensor))
                tensor.uniform_(-limit, limit, generator=generator)
            case "uniform_fan_out":
                limit = 1 / math.sqrt(_fan_out(tensor))
                tensor.uniform_(-limit, limit, generator=generator)
            case "signs":
                tensor.copy_(torch.randint(0, 2, tensor.shape, generator=generator) * 2 - 1)


def _fan_in(tensor: Tensor) -> int:
    return math.prod(tensor.shape[1:])


def _fan_out(tensor: Tensor) -> int:
    return tensor.shape[0] * math.prod(tensor.shape[2:])
