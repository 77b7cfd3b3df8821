"""Members within limits: none of those that are drawn or repaired exceeds one, and what cannot be met is said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from convsmith.cost import cost_of
from convsmith.design.limits import Limits, file_bytes, keeps
from convsmith.errors import LimitError
from convsmith.network.network import Network
from convsmith.searching.spaces.limited import Limited
from convsmith.searching.spaces.members import Members
from convsmith.searching.spaces.named import space_for

SHAPE = (1, 28, 28)


def slow_by_macs(network: Network) -> float:
    """A millisecond for each million multiply-adds."""
    return float(cost_of(network).macs) / 1e6


def limited(name: str = "mbconv", timed: bool = False, **limits: float) -> Limited:
    members = Members(space_for(name, SHAPE, 10), SHAPE, 10)
    return Limited(members, Limits(**limits), slow_by_macs, timed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "limits",
    [
        {"max_params": 4000},
        {"max_macs": 400_000},
        {"max_size": 70_000},
        {"max_latency": 0.8},
        {"max_params": 20_000, "max_macs": 2_000_000, "max_size": 120_000, "max_latency": 1.5},
        {},
    ],
)
def test_every_drawn_member_keeps_to_every_limit(limits: dict[str, float]) -> None:
    one = limited(**limits)
    one.check()
    for row in one.drawn(12, np.random.default_rng(0)):
        cost = cost_of(one.members.network(row))
        assert keeps(one.limits, cost)
        assert one.limits.max_latency is None or slow_by_macs(cost.network) <= one.limits.max_latency


@given(st.integers(0, 999))
@settings(max_examples=10)
def test_a_member_that_exceeds_a_limit_becomes_one_like_it(seed: int) -> None:
    one = limited(max_params=30_000)
    random = np.random.default_rng(seed)
    row = random.integers(0, one.members.counts)
    near = np.array(one.nearest(row, random).places)
    assert cost_of(one.members.network(near)).params <= 30_000
    ordered = [choice.ordered for choice in one.members.space.choices]
    assert (near <= row)[ordered].all()
    if cost_of(one.members.network(row)).params <= 30_000:
        assert (near == row).all()


@pytest.mark.parametrize("limit", ["max_params", "max_macs", "max_size", "max_latency"])
def test_a_limit_that_no_member_meets_is_named_with_the_smallest(limit: str) -> None:
    one = limited("plain", **{limit: 0.001 if limit == "max_latency" else 10})
    smallest = cost_of(one.members.network([0] * len(one.members.counts)))
    taken = {
        "max_params": f"{int(smallest.params):,} parameters",
        "max_macs": f"{int(smallest.macs):,} multiply-adds",
        "max_size": f"{file_bytes(smallest):,} bytes",
        "max_latency": f"{slow_by_macs(smallest.network):.3g} ms",
    }[limit]
    with pytest.raises(
        LimitError, match=f"{limit}: .*the smallest plain network for an input of 1x28x28 takes {taken}"
    ):
        one.check()


def test_limits_that_only_together_cannot_be_met_are_said() -> None:
    one = limited("resnet20", max_params=8000, max_macs=8_000_000)
    rows = np.stack(np.meshgrid(*map(np.arange, one.members.counts), indexing="ij"), -1).reshape(
        -1, len(one.members.counts)
    )
    totals = one.members.totals(rows)
    both = (totals.params <= 8000) & (totals.macs <= 8_000_000)
    if both.any():
        one.check()
        return
    with pytest.raises(LimitError, match="meets all of them together"):
        one.check()


def test_latency_is_measured_where_the_objective_asks_for_it() -> None:
    one = limited(timed=True)
    candidate = one.nearest([0] * len(one.members.counts), np.random.default_rng(0))
    assert candidate.latency == slow_by_macs(candidate.network)
    assert limited().nearest(candidate.places, np.random.default_rng(0)).latency is None
