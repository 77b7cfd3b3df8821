"""Totals of many candidates in one pass are those of each, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from convsmith import create
from convsmith.cost import cost_of
from convsmith.cost.totals import Totals, totals_of
from convsmith.errors import UsageError
from convsmith.network import builder as nn
from convsmith.network.network import Network
from convsmith.transform.depth import repeatable_stages, with_blocks


def figures(net: Network) -> Totals:
    cost = cost_of(net)
    return Totals(cost.params, cost.buffers, cost.macs, cost.flops, cost.activations, cost.stored_bytes)


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "densenet121", "efficientnet_b0", "googlenet"])
def test_a_networks_totals_are_its_costs(name: str) -> None:
    assert totals_of(create(name)) == figures(create(name))


def test_a_part_that_is_named_counts_as_often_as_said() -> None:
    net = create("resnet20")
    longer = with_blocks(net, repeatable_stages(net)[1], 6)
    assert totals_of(net, {"layer2.2": 4, "layer1": 1}) == figures(longer)


def test_parts_within_parts_multiply() -> None:
    net = create("resnet20")
    conv = totals_of(net, {"layer1.2.conv1": 2}).macs - totals_of(net).macs
    both = totals_of(net, {"layer1.2": 3, "layer1.2.conv1": 2}).macs
    assert both == totals_of(net, {"layer1.2": 3}).macs + 3 * conv


def test_a_part_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="resnet20 has no layer or scope 'layer9'"):
        totals_of(create("resnet20"), {"layer9": 2})


def mobile(x: nn.Tensor, kernel: Any, expand: Any, filters: Any) -> nn.Tensor:
    y = nn.conv_norm_act(x, expand * x.channels, 1)
    y = nn.conv_norm_act(y, y.channels, kernel, groups=y.channels)
    with nn.scope("se"):
        gate = nn.activation(nn.conv(nn.global_avg_pool(y), x.channels // 4, 1), "sigmoid")
        y = nn.multiply(y, nn.conv(gate, y.channels, 1))
    return nn.conv_norm(y, filters, 1)


CHOICES = st.tuples(
    st.sampled_from([3, 5, 7]), st.integers(1, 6), st.integers(1, 8), st.integers(0, 3), st.integers(20, 60)
)


@settings(max_examples=25, deadline=None)
@given(st.lists(CHOICES, min_size=2, max_size=6))
def test_kernels_expansions_filters_blocks_and_sides_as_arrays_give_each_candidates_figures(
    candidates: list[tuple[int, ...]],
) -> None:
    kernels, expansions, filters, counts, sides = map(np.array, zip(*candidates, strict=True))

    def space(x: nn.Tensor) -> nn.Tensor:
        x = nn.conv_norm_act(x, 8, 3, 2)
        with nn.scope("first"):
            x = mobile(x, kernels, expansions, 8 * filters)
        with nn.scope("more"):
            x = nn.add(x, mobile(x, kernels, expansions, 8 * filters))
        return nn.linear(nn.global_avg_pool(x), 5)

    squeezed = counts % 2
    many = totals_of(nn.write("space", (3, sides, sides), space), {"more": counts, "more.se": squeezed})
    for index, (kernel, expand, width, count, side) in enumerate(candidates):
        one = single(kernel, expand, 8 * width, count, side, squeezed=bool(count % 2))
        assert tuple(np.broadcast_to(figure, len(candidates))[index] for figure in many) == figures(one)


def single(kernel: int, expand: int, filters: int, count: int, side: int, *, squeezed: bool) -> Network:
    """A candidate by itself."""

    def layers(x: nn.Tensor) -> nn.Tensor:
        x = mobile(nn.conv_norm_act(x, 8, 3, 2), kernel, expand, filters)
        for _ in range(count):
            y = nn.conv_norm_act(x, expand * filters, 1)
            y = nn.conv_norm_act(y, y.channels, kernel, groups=y.channels)
            if squeezed:
                gate = nn.activation(nn.conv(nn.global_avg_pool(y), filters // 4, 1), "sigmoid")
                y = nn.multiply(y, nn.conv(gate, y.channels, 1))
            x = nn.add(x, nn.conv_norm(y, filters, 1))
        return nn.linear(nn.global_avg_pool(x), 5)

    return nn.write("single", (3, side, side), layers)
