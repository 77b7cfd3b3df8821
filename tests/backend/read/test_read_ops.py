"""Every op, built and read again: the same cost and logits."""

from __future__ import annotations

import pytest
import torch
from runtime import randomised
from test_onnx_ops import MORE_LAYERS, ONE_LAYER

import convsmith
from convsmith.backend.read import read
from convsmith.network import builder as b, ops

NOTHING = ("clip to nothing",)
"""Layers that compute nothing and come back as nothing."""
LAYERS = {name: layer for name, layer in {**ONE_LAYER, **MORE_LAYERS}.items() if name not in NOTHING}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_comes_back(name: str) -> None:
    def family(x: b.Tensor) -> b.Tensor:
        x = LAYERS[name](x)
        return b.linear(b.apply(ops.Flatten(), x), 5)

    net = b.write("single", (4, 9, 8), family)
    built = randomised(net)
    found = read(built, net.input)
    for figure in ("params", "buffers", "macs", "flops"):
        assert getattr(convsmith.cost_of(found.network), figure) == getattr(convsmith.cost_of(net), figure), figure
    assert sorted(found.weights) == sorted(net.parameters)
    again = convsmith.build(found.network).eval()
    again.load_state_dict(found.weights)
    images = torch.randn(2, *net.input, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(again(images), built(images), atol=1e-4, rtol=1e-4)
