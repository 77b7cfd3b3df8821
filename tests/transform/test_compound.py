"""Depth, width and resolution by one coefficient."""

from __future__ import annotations

import pytest

from convsmith import create
from convsmith.cost import cost_of
from convsmith.errors import UsageError
from convsmith.transform.compound import EFFICIENTNET, Constants, Factors, scale_network
from convsmith.transform.depth import repeatable_stages


def test_efficientnets_constants_double_the_multiply_adds() -> None:
    assert EFFICIENTNET.growth == pytest.approx(2, abs=0.1)


def test_coefficient_1_is_the_constants_and_0_is_nothing() -> None:
    assert EFFICIENTNET.at(1) == Factors(1.2, 1.1, 1.15)
    net = create("resnet20")
    assert scale_network(net, EFFICIENTNET.at(0)) == net


def test_every_dimension_grows() -> None:
    net = scale_network(create("resnet20"), Constants(1.5, 1.5, 1.25).at(1))
    assert net.input == (3, 40, 40)
    assert net["conv1"].op.channels == 24  # type: ignore[attr-defined]
    assert [len(stage) for stage in repeatable_stages(net)] == [5, 5, 5]


def test_a_negative_coefficient_shrinks() -> None:
    net = create("mobilenet_v2")
    assert cost_of(scale_network(net, EFFICIENTNET.at(-2))).macs < 0.5 * cost_of(net).macs


def test_depth_of_a_network_without_blocks_is_refused() -> None:
    with pytest.raises(UsageError, match="lenet5 has no block that can be repeated"):
        scale_network(create("lenet5"), Factors(depth=2))


@pytest.mark.parametrize("name", ["b2", "b3"])
def test_the_rounded_formula_gives_b2_and_b3(name: str) -> None:
    """At 1 and 2 the authors' coefficients are the formula's, rounded to a tenth."""
    phi = int(name[1]) - 1
    formula, larger = scale_network(create("efficientnet_b0"), EFFICIENTNET.at(phi)), create(f"efficientnet_{name}")
    assert [len(stage) for stage in repeatable_stages(formula)] == [len(stage) for stage in repeatable_stages(larger)]
    assert cost_of(formula).params == pytest.approx(cost_of(larger).params, rel=0.05)
    assert cost_of(formula).macs == pytest.approx(cost_of(larger).macs, rel=0.05)
