"""Candidates costed with arrays have the figures of their networks, exactly."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from convsmith import create
from convsmith.cost import cost_of
from convsmith.design.candidates import Candidates
from convsmith.errors import ShapeError, UsageError
from convsmith.network.network import Network
from convsmith.transform.depth import repeatable_stages, scale_depth
from convsmith.transform.width import scale_width

NAMES = ("resnet20", "vgg11", "mobilenet_v2", "densenet121", "squeezenet1_0", "googlenet", "efficientnet_b0")
"""Plain, residual, depthwise, dense, concatenated, with auxiliary heads, with squeeze-and-excitation."""


@cache
def base(name: str) -> Network:
    return create(name, classes=10, input=(3, 64, 64))


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_every_figure_is_the_networks_own(data: st.DataObject) -> None:
    net = base(data.draw(st.sampled_from(NAMES)))
    count = data.draw(st.integers(1, 4))
    stages = len(repeatable_stages(net))
    candidates = Candidates(
        net,
        np.array(data.draw(st.lists(st.floats(0.3, 2.5), min_size=count, max_size=count))),
        np.array(data.draw(st.lists(st.integers(1, 5), min_size=count * stages, max_size=count * stages))).reshape(
            count, stages
        ),
        np.array(data.draw(st.lists(st.integers(64, 160), min_size=count, max_size=count))),
    )
    totals = candidates.totals
    for index in range(count):
        cost = cost_of(candidates.at(index))
        figures = (cost.params, cost.buffers, cost.macs, cost.flops, cost.activations, cost.stored_bytes)
        assert tuple(figure[index] for figure in totals) == figures


def test_factors_are_those_of_the_transforms() -> None:
    net = base("resnet20")
    candidates = Candidates.by_factors(net, np.array([1.5, 0.5]), np.array([1.4, 2.0]), np.array([64, 96]))
    assert candidates.at(0) == scale_width(scale_depth(net, 1.4), 1.5)
    assert candidates.at(1).input == (3, 96, 96)
    assert candidates.blocks.tolist() == [[5, 5, 5], [6, 6, 6]]


def test_a_network_without_blocks_is_costed_at_other_widths() -> None:
    net = create("lenet5")
    candidates = Candidates(net, np.array([1.0, 2.0]), np.zeros((2, 0), int), np.array([32, 32]))
    assert candidates.totals.params.tolist() == [cost_of(net).params, cost_of(scale_width(net, 2.0)).params]


def test_the_image_keeps_its_proportions() -> None:
    net = create("resnet20", input=(3, 32, 64))
    assert Candidates(net, np.array([1.0]), np.array([[3, 3, 3]]), np.array([48])).at(0).input == (3, 48, 96)


def test_a_candidate_whose_layers_do_not_fit_is_named_by_the_layer() -> None:
    net = create("vgg11", classes=10, input=(3, 64, 64))
    blocks = np.full((2, len(repeatable_stages(net))), 2)
    with pytest.raises(ShapeError, match=r"block5\.pool1"):
        _ = Candidates(net, np.ones(2), blocks, np.array([64, 16])).totals


@pytest.mark.parametrize(
    ("widths", "blocks", "sides", "words"),
    [
        (np.ones(2), np.ones((2, 2), int), np.array([64, 64]), r"blocks \(N, 3\)"),
        (np.ones(1), np.zeros((1, 3), int), np.array([64]), "must be positive"),
        (np.zeros(1), np.ones((1, 3), int), np.array([64]), "must be positive"),
    ],
)
def test_arrays_that_are_no_candidates_are_refused(
    widths: np.ndarray, blocks: np.ndarray, sides: np.ndarray, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        Candidates(base("resnet20"), widths, blocks, sides)
