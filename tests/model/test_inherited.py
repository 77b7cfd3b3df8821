"""Weights taken over from a network that is like it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings, strategies as st

from convsmith.backend.torch import build
from convsmith.model import Model
from convsmith.model.inherited import inherited, share_inherited
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.searching.spaces.members import Members
from convsmith.searching.spaces.space import Choice, Space

SHAPE, CLASSES = (1, 12, 12), 3

HEAD = (Choice("stem", (3, 5)), Choice("function", ("relu",)))


def stages(**choices: tuple[int, ...]) -> tuple[Choice, ...]:
    return tuple(Choice(f"stage{stage}.{name}", values) for stage in (1, 2) for name, values in choices.items())


SPACES = {
    "plain": Space(
        "plain",
        "plain",
        (
            Choice("stem_kernel", (3, 5)),
            Choice("pooling", ("max",)),
            Choice("function", ("silu",)),
            *stages(kernel=(3, 5), filters=(3, 4, 7), layers=(2,)),
        ),
    ),
    "residual": Space(
        "residual", "residual", (*HEAD, *stages(kernel=(3, 5), se=(0,), filters=(3, 4, 7), layers=(1, 2, 3)))
    ),
    "residual with gates": Space(
        "gated", "residual", (*HEAD, *stages(kernel=(3, 5), se=(1,), filters=(3, 4, 7), layers=(1, 2, 3)))
    ),
    "mbconv": Space(
        "mbconv",
        "mbconv",
        (*HEAD, *stages(kernel=(3, 5), expand=(2, 3), se=(1,), skip=(1,), filters=(3, 4, 7), layers=(1, 2))),
    ),
}


def trained(net: Network, seed: int) -> Model:
    """With running statistics as training leaves them."""
    module = build(net, seed).train()
    torch.manual_seed(seed)
    for _ in range(3):
        module(torch.randn(8, *SHAPE))
    return Model(net, module.state_dict(), ("a", "b", "c"), Preprocess(1, (12, 12), 12, (0.5,), (0.5,)))


def grown(random: st.DataObject, members: Members) -> tuple[list[int], list[int]]:
    """A member, and one with larger values of some choices."""
    small = [random.draw(st.integers(0, int(count) - 1)) for count in members.counts]
    return small, [
        random.draw(st.integers(low, int(count) - 1)) for low, count in zip(small, members.counts, strict=True)
    ]


@pytest.mark.parametrize("name", SPACES)
@given(random=st.data())
@settings(max_examples=12, deadline=None)
def test_what_has_grown_gives_the_same_outputs(name: str, random: st.DataObject) -> None:
    members = Members(SPACES[name], SHAPE, CLASSES)
    small, large = (members.network(places) for places in grown(random, members))
    parent = trained(small, 1)
    weights = inherited(large, build(large, 2).state_dict(), parent.weights)
    child = Model(large, weights, parent.classes, parent.preprocess)
    images = torch.randn(4, *SHAPE)
    with torch.no_grad():
        torch.testing.assert_close(child.module()(images), parent.module()(images), rtol=1e-4, atol=1e-5)


def test_new_parts_learn() -> None:
    """Zeros are where gradients come through: the first step changes them, and the second what is behind them."""
    members = Members(SPACES["residual"], SHAPE, CLASSES)
    small, large = members.network([0] * len(members.counts)), members.network([int(c) - 1 for c in members.counts])
    parent = trained(small, 1)
    child = Model(
        large, inherited(large, build(large, 2).state_dict(), parent.weights), parent.classes, parent.preprocess
    )
    module = child.module().train()
    before = {key: value.clone() for key, value in module.named_parameters()}
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(module(torch.randn(32, *SHAPE)), torch.arange(32) % CLASSES)
        loss.backward()
        optimizer.step()
    still = [key for key, value in module.named_parameters() if torch.equal(value, before[key])]
    assert still == []


def test_what_has_shrunk_keeps_first_channels_and_middles() -> None:
    members = Members(SPACES["plain"], SHAPE, CLASSES)
    large, small = members.network([int(c) - 1 for c in members.counts]), members.network([0] * len(members.counts))
    parent = trained(large, 1)
    weights = inherited(small, build(small, 2).state_dict(), parent.weights)
    for key in small.parameters:
        tensor, old = weights[key], parent.weights[key]
        if tensor.dim() == 4:
            cut = (old.shape[2] - tensor.shape[2]) // 2
            kept = slice(cut, cut + tensor.shape[2])
            assert torch.equal(tensor, old[: tensor.shape[0], : tensor.shape[1], kept, kept])


def test_the_share_that_is_taken_over() -> None:
    members = Members(SPACES["plain"], SHAPE, CLASSES)
    first, last = members.network([0] * len(members.counts)), members.network([int(c) - 1 for c in members.counts])
    other = Members(SPACES["mbconv"], SHAPE, CLASSES).network([0] * 14)
    assert share_inherited(first, first) == share_inherited(first, last) == 1
    assert 0 < share_inherited(last, first) < 0.5
    assert share_inherited(other, first) < 0.1
