"""Permuting, reshaping and repeating tensors by hand against torch, with the network that comes of it."""

from __future__ import annotations

from math import prod

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor

import convsmith
from convsmith.backend.read.axes import Axes
from convsmith.backend.read.draft import Draft, Value
from convsmith.backend.read.laid import Laid, Layouts, Spot
from convsmith.errors import ReadError
from convsmith.network import ops

BATCH = 7
SIDES = st.sampled_from([1, 2, 3, 4, 6, 8])
SHAPES = st.tuples(SIDES, SIDES, SIDES)
STEPS = st.lists(
    st.tuples(st.sampled_from(["permute", "reshape", "expand"]), st.randoms(use_true_random=False)), max_size=5
)


class Both:
    """A tensor, and the same in a network under construction."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.draft = Draft("net", shape)
        self.layouts = Layouts(self.draft, BATCH)
        self.image = torch.arange(BATCH * prod(shape), dtype=torch.float32).reshape(BATCH, *shape) % 89
        first = self.draft.add(ops.Activation("relu"), self.draft.input, name="first")
        self.start = self.layouts.lay(first)
        self.spot = Spot(self.draft, "", "")

    def arranged(self, steps: list[tuple[str, object]]) -> tuple[Tensor, Laid]:
        tensor, laid = self.image, self.start
        for step, random in steps:
            tensor, laid = getattr(self, f"_{step}")(tensor, laid, random)
        assert laid.sizes == tuple(tensor.shape)
        return tensor, laid

    def _permute(self, tensor, laid, random):
        order = [0, *random.sample(range(1, tensor.ndim), tensor.ndim - 1)]
        return tensor.permute(order), Laid(laid.value, laid.axes.permuted(order))

    def _reshape(self, tensor, laid, random):
        left, sizes = prod(tensor.shape[1:]), []
        while left > 1 and len(sizes) < 4:
            sizes.append(random.choice([d for d in range(1, left + 1) if left % d == 0]))
            left //= sizes[-1]
        sizes = [BATCH, *sizes, left]
        axes = laid.axes.reshaped(sizes)
        if axes is None:
            laid = self.layouts.settled(laid, self.spot)
            axes = laid.axes.reshaped(sizes)
        if axes is None:  # only the order of elements counts
            flat = Laid(laid.value, laid.axes.reshaped([BATCH, prod(sizes[1:])]))
            laid = self.layouts.settled(flat, self.spot)
            axes = laid.axes.reshaped(sizes)
        return tensor.reshape(sizes), Laid(laid.value, axes)

    def _expand(self, tensor, laid, random):
        sizes = [side if side > 1 else random.choice([1, 2]) for side in tensor.shape]
        if prod(sizes) > 20000:
            return tensor, laid
        return tensor.expand(sizes), Laid(laid.value, laid.axes.expanded(sizes))

    def answers(self, value: Value) -> Tensor:
        network, weights = self.draft.finish(value)
        built = convsmith.build(network)
        built.load_state_dict(weights)
        with torch.no_grad():
            return built(self.image)


@settings(max_examples=150)
@given(SHAPES, STEPS)
def test_a_tensor_that_was_moved_settles_as_torch_has_it(shape, steps) -> None:
    both = Both(shape)
    tensor, laid = both.arranged(steps)
    value = both.layouts.settle(laid, both.spot)
    assert value.shape == tuple(tensor.shape[1:])
    assert torch.equal(both.answers(value), tensor)


@settings(max_examples=100)
@given(SHAPES, STEPS, st.data())
def test_an_axis_of_a_moved_tensor_can_be_brought_out(shape, steps, data) -> None:
    both = Both(shape)
    tensor, laid = both.arranged(steps)
    dim = data.draw(st.integers(1, tensor.ndim - 1))
    moved, axis = both.layouts.with_axis(laid, dim, both.spot)
    assert moved.sizes == laid.sizes
    assert moved.value.shape[axis] == tensor.shape[dim]
    assert torch.equal(both.answers(both.layouts.settle(moved, both.spot)), tensor)


@settings(max_examples=100)
@given(SHAPES, STEPS, STEPS)
def test_tensors_that_lie_differently_meet(shape, steps, others) -> None:
    both = Both(shape)
    tensor, laid = both.arranged(steps)
    other, lying = both.arranged([step for step in others if step[0] != "expand"])
    if other.numel() != tensor.numel():
        return
    other = other.reshape(tensor.shape)
    axes = lying.axes.reshaped(tensor.shape)
    if axes is None:
        return
    a, b, result = both.layouts.together(laid, Laid(lying.value, axes), both.spot)
    total = Laid(both.draft.add(ops.Add(), a, b, name="total"), result)
    if total.sizes != tuple(tensor.shape):
        total = Laid(total.value, total.axes.expanded(tensor.shape))
    assert torch.equal(both.answers(both.layouts.settle(total, both.spot)), tensor + other)


@settings(max_examples=100)
@given(SHAPES, STEPS, st.data())
def test_a_constant_lies_over_a_moved_tensor(shape, steps, data) -> None:
    both = Both(shape)
    tensor, laid = both.arranged(steps)
    sizes = [1, *(data.draw(st.sampled_from([1, side])) for side in tensor.shape[1:])]
    known = torch.rand(sizes[data.draw(st.integers(0, len(sizes) - 1)) :])
    over = both.layouts.over(known, laid, both.spot)
    if over is None:  # the constant says more than a repeated tensor does
        return
    constant = both.draft.add(ops.Constant(tuple(over.shape)), name="c", weights={"value": over})
    total = Laid(both.draft.add(ops.Add(), laid.value, constant, name="total"), laid.axes)
    torch.testing.assert_close(both.answers(both.layouts.settle(total, both.spot)), tensor + known)


def test_what_is_permuted_back_takes_no_layers() -> None:
    both = Both((4, 6, 8))
    axes = both.start.axes.permuted([0, 2, 3, 1]).reshaped([BATCH, 48, 4])
    assert axes is not None
    back = axes.reshaped([BATCH, 6, 8, 4]).permuted([0, 3, 1, 2])
    assert both.layouts.settle(Laid(both.start.value, back), both.spot) == both.start.value


def test_a_shuffle_is_one_layer() -> None:
    both = Both((8, 6, 4))
    split = both.start.axes.reshaped([BATCH, 2, 4, 6, 4])
    assert split is not None
    shuffled = split.permuted([0, 2, 1, 3, 4]).reshaped([BATCH, 8, 6, 4])
    assert shuffled is not None
    value = both.layouts.settle(Laid(both.start.value, shuffled), both.spot)
    assert [node.op for node in both.draft.finish(value).network] == [ops.Activation("relu"), ops.ChannelShuffle(2)]


def test_images_that_are_mixed_with_channels_are_refused() -> None:
    both = Both((4, 2, 2))
    mixed = Laid(both.start.value, both.start.axes.permuted([1, 0, 2, 3]))
    with pytest.raises(ReadError, match=r"a tensor \[4, 7, 2, 2\] mixes images with other axes; keep the batch"):
        both.layouts.settle(mixed, both.spot)


def test_an_uneven_cut_is_none() -> None:
    assert Axes.of((6, 4), BATCH).reshaped([BATCH, 8, 3]) is None
    assert Axes.of((6, 4), BATCH).reshaped([BATCH, 5]) is None
