"""Layers that differ from torch's in what they keep, not in what they compute."""

from __future__ import annotations

import torch
from torch import nn

from convsmith.backend.layers import ReLU6


def test_relu6_and_its_gradient_are_torchs_at_the_corners_too() -> None:
    values = torch.tensor([-1.0, 0.0, 3.0, 6.0, 7.0, torch.inf, torch.nan])
    mine, torchs = values.clone().requires_grad_(), values.clone().requires_grad_()
    ours, theirs = ReLU6()(mine), nn.ReLU6()(torchs)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)
    ours.sum().backward()
    theirs.sum().backward()
    assert mine.grad is not None
    assert torchs.grad is not None
    assert torch.equal(mine.grad[:-1], torchs.grad[:-1])


def test_relu6_keeps_nothing_but_its_output() -> None:
    kept: list[int] = []
    values = torch.randn(4, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.data_ptr()) or t, lambda t: t):
        result = ReLU6()(values + 1)
    assert kept == [result.data_ptr()]


def test_relu6_can_be_compiled() -> None:
    layer = torch.compile(ReLU6(), backend="aot_eager")
    values = torch.linspace(-1, 7, 9, requires_grad=True)
    layer(values).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0]
