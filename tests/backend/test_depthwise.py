"""The gradients equal torch's own, and the fast path is taken where torch's is slow."""

import pytest
import torch
from hypothesis import given, strategies as st
from torch.nn import functional as F

from convsmith.backend.depthwise import depthwise, input_gradient, is_slow, weight_gradient
from convsmith.backend.layers import Conv2d

SIDES = st.integers(7, 13)
KERNELS = st.sampled_from([1, 2, 3, 4, 5, 7, 9])


@given(st.tuples(SIDES, SIDES), st.tuples(KERNELS, KERNELS), st.tuples(st.integers(1, 3), st.integers(1, 3)), st.data())
def test_gradients_equal_torchs(size, kernel, stride, data):
    padding = tuple(data.draw(st.integers(0, window - 1)) for window in kernel)
    if any(side + 2 * pad < window for side, pad, window in zip(size, padding, kernel, strict=True)):
        return
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, *size, dtype=torch.float64, generator=generator, requires_grad=True)
    weight = torch.randn(3, 1, *kernel, dtype=torch.float64, generator=generator, requires_grad=True)
    y = F.conv2d(x, weight, None, stride, padding, groups=3)
    gradient = torch.randn(y.shape, dtype=torch.float64, generator=generator)
    wanted = torch.autograd.grad(y, [x, weight], gradient)
    torch.testing.assert_close(input_gradient(gradient, weight, size, stride, padding), wanted[0])
    torch.testing.assert_close(weight_gradient(gradient, x.detach(), kernel, stride, padding), wanted[1])


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 1), (5, 2)])
@pytest.mark.parametrize("bias", [False, True])
def test_a_layer_in_bfloat16_is_the_same_layer(kernel, stride, bias):
    layer = Conv2d(8, 8, kernel, stride, kernel // 2, groups=8, bias=bias)
    x = torch.randn(4, 8, 14, 14, requires_grad=True)
    plain = F.conv2d(x, layer.weight, layer.bias, stride, kernel // 2, groups=8)
    wanted = torch.autograd.grad(plain.square().sum(), [x, *layer.parameters()])
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    got = torch.autograd.grad(y.float().square().sum(), [x, *layer.parameters()])
    torch.testing.assert_close(y.float(), plain, rtol=0.02, atol=0.02)
    for ours, exact in zip(got, wanted, strict=True):
        assert F.cosine_similarity(ours.flatten(), exact.flatten(), dim=0) > 0.999


def test_only_slow_gradients_take_the_way_round():
    x, weight = torch.zeros(1, 4, 8, 8), torch.zeros(4, 1, 3, 3, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        assert is_slow(x, weight, (2, 2), (1, 1), 4)
        assert not is_slow(x, weight, (1, 1), (1, 1), 4)
        assert is_slow(x, torch.zeros(4, 1, 5, 5, requires_grad=True), (1, 1), (1, 1), 4)
        assert not is_slow(x, torch.zeros(4, 4, 3, 3, requires_grad=True), (2, 2), (1, 1), 1)
        with torch.no_grad():
            assert not is_slow(x, weight, (2, 2), (1, 1), 4)
    assert not is_slow(x, weight, (2, 2), (1, 1), 4)
    assert depthwise(x, weight, None, (2, 2), (1, 1)).shape == (1, 4, 4, 4)
