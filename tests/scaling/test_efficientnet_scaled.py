"""EfficientNet-B0 scaled by the paper's constants, against the B1 to B7 that its authors published.

At the coefficients that they published, every layer of B1 to B7 follows (`tests/transform/test_depth.py`). At the
coefficient phi at which the formula has the multiply-adds of each, its width and resolution are the published ones
within 4%. Its depth is not: the authors' B4 to B7 are 9% to 14% shallower. B1 has a depth of its own.
"""

from __future__ import annotations

from functools import cache

import pytest

from convsmith import create
from convsmith.cost import cost_of
from convsmith.scaling.line import Line, Member
from convsmith.transform.compound import EFFICIENTNET, Factors, scale_network
from convsmith.zoo.paper import PaperFigures
from convsmith.zoo.registry import VARIANTS
from convsmith.zoo.searched.efficientnet import SCALES

LARGER = ("b1", "b2", "b3", "b4", "b5", "b6", "b7")

PHI = {"b2": 1.03, "b3": 2.01, "b4": 3.7, "b5": 4.96, "b6": 5.93, "b7": 6.88}
"""At which the formula gives the multiply-adds of each. B1 is on no such line: it is deeper, and not wider."""

DEEPER = {"b2": 0.01, "b3": 0.04, "b4": 0.10, "b5": 0.13, "b6": 0.14, "b7": 0.14}
PARAMS = {"b2": 0.01, "b3": 0.01, "b4": 0.01, "b5": 0.10, "b6": 0.03, "b7": 0.01}
"""How much deeper the formula is than what was published, and how far its parameters are from it, as shares."""

KNOWN = {("b4", "gmacs"), ("b5", "gmacs"), ("b7", "gmacs"), ("b2", "params_m")}
"""Figures of the paper that its own coefficients do not give (see the zoo's card of each)."""


@cache
def line() -> Line:
    return Line(create("efficientnet_b0"), EFFICIENTNET)


def by_formula(name: str) -> Member:
    return line().at(PHI[name])


def published(name: str) -> PaperFigures:
    found = VARIANTS[f"efficientnet_{name}"].published
    assert found is not None
    return found


@pytest.mark.parametrize("name", LARGER)
def test_b0_at_the_published_coefficients_has_the_papers_parameters_and_multiply_adds(name: str) -> None:
    width, depth, side, _ = SCALES[name]
    cost = cost_of(scale_network(create("efficientnet_b0"), Factors(depth, width, side / 224)))
    ours = {"params_m": cost.params / 1e6, "gmacs": cost.macs / 1e9}
    for figure, value in ours.items():
        paper = getattr(published(name), figure)
        digits = len(str(paper).partition(".")[2]) if paper < 1.0 or figure == "params_m" else (paper < 10) * 1
        assert (round(value, digits) == pytest.approx(paper)) != ((name, figure) in KNOWN), (figure, value, paper)


@pytest.mark.parametrize("name", PHI)
def test_the_formula_gives_the_same_multiply_adds_at_some_coefficient(name: str) -> None:
    target = cost_of(create(f"efficientnet_{name}"))
    assert by_formula(name).cost.macs == pytest.approx(target.macs, rel=0.04)


@pytest.mark.parametrize("name", PHI)
def test_its_width_and_resolution_are_then_the_published(name: str) -> None:
    member, (width, _, side, _) = by_formula(name), SCALES[name]
    assert member.factors.width == pytest.approx(width, rel=0.04)
    assert member.network.input[1] == pytest.approx(side, rel=0.03)


@pytest.mark.parametrize("name", PHI)
def test_its_depth_and_parameters_are_as_far_from_the_published_as_is_known(name: str) -> None:
    member = by_formula(name)
    assert 0 <= member.factors.depth / SCALES[name][1] - 1 <= DEEPER[name]
    assert member.cost.params == pytest.approx(cost_of(create(f"efficientnet_{name}")).params, rel=PARAMS[name])


def test_b1_is_deeper_and_not_wider() -> None:
    width, depth, side, _ = SCALES["b1"]
    assert (width, depth) == (1.0, round(EFFICIENTNET.at(0.5).depth, 1))
    assert side == round(224 * EFFICIENTNET.at(0.5).resolution)
