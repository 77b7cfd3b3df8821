"""Blocks that several families share."""

from __future__ import annotations

from convsmith.network.builder import Tensor, activation, conv, global_avg_pool, multiply, scope
from convsmith.network.dims import Dim
from convsmith.network.ops.pointwise import Function


def squeeze_excite(x: Tensor, reduced: Dim, *, function: Function = "relu", gate: Function = "sigmoid") -> Tensor:
    """Each channel times a weight that two dense layers, `reduced` wide between, make of all channels' means.

    Hu et al. 2018, fig. 1. The dense layers are 1x1 convolutions of a 1x1 map, as libraries have them.
    """
    with scope("se"):
        weights = activation(conv(global_avg_pool(x), reduced, 1), function)
        weights = activation(conv(weights, x.channels, 1), gate)
    return multiply(x, weights)
