"""Sliding windows against PyTorch's own convolutions and pooling."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, strategies as st
from torch import nn

from convsmith.errors import ShapeError
from convsmith.network.ops import window

sides = st.integers(1, 24)
pairs = st.tuples(st.integers(1, 5), st.integers(1, 5))
steps = st.tuples(st.integers(1, 4), st.integers(1, 4))
edges = st.tuples(st.integers(0, 3), st.integers(0, 3))


def meta(height: int, width: int, channels: int = 1) -> torch.Tensor:
    return torch.empty(1, channels, height, width, device="meta")


@given(sides, sides, pairs, steps, edges, pairs)
def test_convolutions_have_torchs_size_or_neither_runs(height, width, kernel, stride, edge, dilation):
    layer = nn.Conv2d(1, 1, kernel, stride, edge, dilation, device="meta")
    padding = (edge[0], edge[0], edge[1], edge[1])
    try:
        expected = tuple(layer(meta(height, width)).shape[2:])
    except RuntimeError:
        with pytest.raises(ShapeError, match="larger than its padded input"):
            window.slide((height, width), kernel, stride, padding, dilation)
    else:
        assert window.slide((height, width), kernel, stride, padding, dilation) == expected


@given(sides, sides, pairs, steps, st.data())
def test_ceil_mode_pooling_has_torchs_size(height, width, kernel, stride, data):
    edge = data.draw(st.tuples(st.integers(0, kernel[0] // 2), st.integers(0, kernel[1] // 2)))
    assume(height + 2 * edge[0] >= kernel[0] and width + 2 * edge[1] >= kernel[1])
    for ceil in (False, True):
        layer = nn.MaxPool2d(kernel, stride, edge, ceil_mode=ceil)
        padding = (edge[0], edge[0], edge[1], edge[1])
        expected = tuple(layer(torch.zeros(1, 1, height, width)).shape[2:])
        assert window.slide((height, width), kernel, stride, padding, ceil=ceil) == expected


@given(sides, sides, pairs, steps, pairs)
def test_same_padding_in_numbers_gives_the_size_of_the_rule(height, width, kernel, stride, dilation):
    top, bottom, left, right = window.resolve("same", (height, width), kernel, stride, dilation)
    padded = nn.functional.pad(meta(height, width), (left, right, top, bottom))
    layer = nn.Conv2d(1, 1, kernel, stride, dilation=dilation, device="meta")
    size = window.slide((height, width), kernel, stride, "same", dilation)
    assert size == tuple(layer(padded).shape[2:])
    assert size == (-(-height // stride[0]), -(-width // stride[1]))


@given(sides, st.integers(1, 7), st.integers(1, 4), st.integers(1, 3))
def test_the_odd_zero_of_same_padding_comes_last(size, kernel, stride, dilation):
    before, after = window.same(size, kernel, stride, dilation)
    assert 0 <= after - before <= 1


@given(sides, sides, st.sampled_from([1, 3, 5, 7]), st.integers(1, 3))
def test_symmetric_padding_keeps_the_size_at_stride_one(height, width, kernel, dilation):
    padding = window.symmetric((kernel, kernel), (dilation, dilation))
    size = window.slide((height, width), (kernel, kernel), (1, 1), padding, (dilation, dilation))
    assert size == (height, width)


def test_a_window_that_does_not_fit_says_both_sizes():
    with pytest.raises(ShapeError, match="window of 9 is larger than its padded input 7"):
        window.slide((5, 5), (5, 5), (1, 1), (1, 1, 1, 1), dilation=(2, 2))


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [((0, 3), (1, 1), (1, 1)), ((3, 3), (0, 1), (1, 1))])
def test_a_window_of_nothing_is_refused(kernel, stride, dilation):
    with pytest.raises(ShapeError, match="at least 1"):
        window.slide((8, 8), kernel, stride, "same", dilation)


def test_negative_padding_is_refused():
    with pytest.raises(ShapeError, match="must not be negative"):
        window.slide((8, 8), (3, 3), (1, 1), (-1, 0, 0, 0))
