"""The verdict, as its criterion states it."""

from __future__ import annotations

import math

import pytest

from convsmith.explain.flow import BlockFlow, GradientFlow, LayerFlow, Moment


def moment(*gradients: float) -> Moment:
    return Moment(0, 1.0, tuple(LayerFlow(f"conv{i}", 1.0, g, 1.0, 1.0) for i, g in enumerate(gradients)))


@pytest.mark.parametrize(
    ("gradients", "ratio", "verdict"),
    [
        ((1.0,) * 9, 1.0, "healthy"),
        ((1e-3, 1e-3, 1e-3, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0), 1e-3, "vanishing"),
        ((1e3, 1e3, 1e3, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0), 1e3, "exploding"),
        ((50.0, 50.0, 50.0, 9e9, 9e9, 9e9, 1.0, 1.0, 1.0), 50.0, "healthy"),
        ((0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0), 0.0, "vanishing"),
        ((0.0,) * 9, 0.0, "vanishing"),
        ((1.0, math.nan, 1.0), math.inf, "exploding"),
        ((1000.0, 1.0), 1000.0, "exploding"),
        ((4.0,), 1.0, "healthy"),
    ],
)
def test_the_ends_are_compared(gradients: tuple[float, ...], ratio: float, verdict: str) -> None:
    assert moment(*gradients).ratio == pytest.approx(ratio)
    assert moment(*gradients).verdict == verdict


def test_the_ratio_is_of_geometric_means() -> None:
    assert moment(1.0, 10.0, 100.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0).ratio == pytest.approx(10)


def test_the_verdict_on_a_network_is_that_at_initialisation() -> None:
    late = Moment(5, 1.0, moment(1e-9, 1.0).layers)
    flow = GradientFlow("net", "random images", 8, 0.1, 0, (moment(1.0, 1.0), late))
    assert flow.verdict == "healthy"
    assert [entry["verdict"] for entry in flow.to_json()["moments"]] == ["healthy", "vanishing"]
    assert "criterion" in flow.to_json()


def test_blocks_have_a_mean() -> None:
    assert moment(1.0).branch_share is None
    blocks = (BlockFlow("a", True, 0.5), BlockFlow("b", False, 1.5))
    assert Moment(0, 1.0, (), blocks).branch_share == 1.0
