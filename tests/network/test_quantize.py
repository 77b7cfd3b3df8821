"""The op that puts activations on a grid."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

import convsmith
from convsmith.errors import ShapeError
from convsmith.network import builder as nn, ops


@st.composite
def grids(draw):
    bits, symmetric = draw(st.integers(2, 8)), draw(st.booleans())
    zero = 0 if symmetric else draw(st.integers(0, 2**bits - 1))
    # Powers of two, so that quotients are exact and the tie is where it is said to be.
    return ops.Quantize(2.0 ** draw(st.integers(-8, 8)), zero, bits, symmetric)


@given(grids(), st.lists(st.integers(-4000, 4000), min_size=1, max_size=50))
def test_torch_rounds_as_described(op, halves):
    values = np.array(halves, np.float32) * np.float32(op.scale / 4)
    integers = np.clip(np.rint(values / np.float32(op.scale)) + op.zero_point, op.lowest, op.highest)
    net = convsmith.Network("q", (len(halves), 1, 1), (convsmith.Node("q", op, ("input",)),), "q")
    found = convsmith.build(net).eval()(torch.from_numpy(values).reshape(1, -1, 1, 1)).flatten()
    assert found.tolist() == ((integers - op.zero_point) * op.scale).tolist()


def test_gradients_pass_within_the_ends_and_stop_beyond():
    net = nn.write("q", (3, 1, 1), lambda x: nn.quantize(x, 1.0, 10, bits=4))
    x = torch.tensor([-20.0, 1.3, 9.0]).reshape(1, 3, 1, 1).requires_grad_()
    convsmith.build(net)(x).sum().backward()
    assert x.grad.flatten().tolist() == [0.0, 1.0, 0.0]


def test_it_can_be_exported_and_traced_without_data():
    net = nn.write("q", (3, 4, 5), lambda x: nn.linear(nn.quantize(nn.conv(x, 2, 3), 0.1, 10), 2))
    module, x = convsmith.build(net).eval(), torch.randn(1, 3, 4, 5)
    exported = torch.export.export(module, (x,)).module()
    assert torch.equal(exported(x), module(x))
    assert module.to("meta")(x.to("meta")).shape == (1, 2)


def test_it_costs_one_operation_an_element_and_no_weights():
    cost = convsmith.cost_of(nn.write("q", (3, 4, 5), lambda x: nn.quantize(x, 0.1)))
    assert (cost.params, cost.macs, cost.flops) == (0, 0, 60)


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (ops.Quantize(0.0), "a scale is above 0 and finite, not 0.0"),
        (ops.Quantize(float("nan")), "a scale is above 0"),
        (ops.Quantize(1.0, 256), "the zero point is 0 to 255, not 256"),
        (ops.Quantize(1.0, 3, symmetric=True), "the zero point is 0, not 3"),
        (ops.Quantize(1.0, bits=9), "integers have 2 to 8 bits, not 9"),
    ],
)
def test_a_grid_that_is_none_is_refused(op, message):
    with pytest.raises(ShapeError, match=message):
        op.shape((3, 4, 5))
