from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st
from made import BASICS, EVIDENCE, learning, preprocess, scale

from convsmith import Network, cost_of
from convsmith.design.designer import Design, Pace, design
from convsmith.design.evidence.values import Evidence
from convsmith.design.limits import Limits, file_bytes
from convsmith.design.rules import scheme_of
from convsmith.errors import LimitError


def by_macs(net: Network) -> float:
    """ms for one image."""
    return float(cost_of(net).macs) / 1e6


def seconds(net: Network) -> float:
    """Of a training step for one image, on a machine of 10 G multiply-adds a second."""
    return float(cost_of(net).macs) / 1e10


PACE, NONE = Pace(by_macs, seconds), Limits()


def designed(limits: Limits = NONE, evidence: Evidence = EVIDENCE, pace: Pace = PACE, side: int = 28) -> Design:
    tight = bool(set(limits.set) - {"max_latency"})
    scheme = scheme_of(evidence, tight=tight)
    return design(evidence, preprocess(scheme.channels, side), scheme, limits, pace, epochs=20, seconds=1000.0)


def test_candidates_lie_on_a_line_of_cost_and_expected_accuracy() -> None:
    made = designed()
    assert [candidate.kind for candidate in made.candidates] == ["smallest", "balanced", "strongest"]
    macs = [candidate.cost.macs for candidate in made.candidates]
    expected = [candidate.expected.value for candidate in made.candidates]
    assert macs == sorted(set(macs))
    assert expected == sorted(expected)
    assert all(c.expected.low <= c.expected.value <= c.expected.high for c in made.candidates)


FIGURES = {
    "max_params": lambda net: int(cost_of(net).params),
    "max_macs": lambda net: int(cost_of(net).macs),
    "max_size": lambda net: file_bytes(cost_of(net)),
    "max_latency": by_macs,
}


@pytest.mark.parametrize("limit", FIGURES)
@settings(max_examples=12, deadline=None)
@given(share=st.floats(0.0005, 1.5))
def test_every_limit_is_kept_or_refused_with_the_smallest_that_is_possible(limit: str, share: float) -> None:
    figure = FIGURES[limit]
    whole = figure(designed().candidate("strongest").network)
    bound = share * whole if limit == "max_latency" else max(1, int(share * whole))
    try:
        for candidate in designed(Limits(**{limit: bound})).candidates:
            assert figure(candidate.network) <= bound
    except LimitError as error:
        assert error.settings == (limit,)
        smallest = float(str(error).split("takes ")[1].split()[0].replace(",", ""))
        assert smallest > bound


@pytest.mark.parametrize("limit", ["max_params", "max_macs", "max_size"])
def test_the_smallest_that_is_named_can_be_had(limit: str) -> None:
    with pytest.raises(LimitError) as refused:
        designed(Limits(**{limit: 1}))
    smallest = int(str(refused.value).split("takes ")[1].split()[0].replace(",", ""))
    assert FIGURES[limit](designed(Limits(**{limit: smallest})).network) <= smallest


def test_a_limit_is_used_to_the_full() -> None:
    used = cost_of(designed(Limits(max_params=100_000)).network).params
    assert 75_000 < used <= 100_000


def test_a_slower_machine_gets_a_smaller_network() -> None:
    slow = Pace(by_macs, lambda net: 20 * seconds(net))
    assert designed(pace=slow).candidate("strongest").cost.macs < designed().candidate("strongest").cost.macs


def test_a_global_pattern_gives_a_wider_reach() -> None:
    pattern = replace(EVIDENCE, scale=scale(blur=(0, 0, 0, 0), patch=(0.3, 0.4, 0.5, 0.8)))
    local, wide = (designed(evidence=e).candidate("balanced").blueprint for e in (EVIDENCE, pattern))
    assert wide.stem_kernel > local.stem_kernel
    assert wide.reach > local.reach


def test_a_shallow_network_keeps_the_place_of_things_where_that_tells() -> None:
    easy = replace(EVIDENCE, learning=learning(error=0.005), scale=scale(location=0.3))
    small = designed(evidence=easy).candidate("smallest").blueprint
    assert small.hidden is not None
    inputs = 4 * small.filters[-1]
    assert small.classes < small.hidden <= inputs  # between input and output size
    assert designed().candidate("smallest").blueprint.hidden is None


@pytest.mark.parametrize("side", [8, 12, 28, 48, 96, 128])
@pytest.mark.parametrize("error", [0.001, 0.03, 0.3])
def test_any_side_gets_a_network(side: int, error: float) -> None:
    evidence = replace(EVIDENCE, basics=replace(BASICS, size=(side, side)), learning=learning(error=error))
    for candidate in designed(evidence=evidence, side=side).candidates:
        assert candidate.network.classes == 10
        assert candidate.network.input == (1, side, side)


def test_the_design_prints_and_is_json_with_a_network_that_can_be_read() -> None:
    made = designed(Limits(max_macs=5_000_000))
    assert "otherwise" in str(made)
    data = json.loads(json.dumps(made.to_json()))
    assert Network.from_json(data["architecture"]) == made.network
    assert data["chosen"] == "strongest"


@pytest.mark.parametrize("slower", [8, 16, 32, 64])
def test_a_narrower_network_that_trains_no_faster_is_not_taken(slower: float) -> None:
    """As on a processor that computes 16 filters at once: fewer take as long."""

    def padded(net: Network) -> float:
        return seconds(net) * (16 * -(-filters(net) // 16) / filters(net)) ** 2

    pace = Pace(by_macs, lambda net: slower * padded(net))
    assert filters(designed(pace=pace).candidate("strongest").network) % 16 == 0


@pytest.mark.parametrize("faster", [0.9, 1.1])
def test_of_networks_that_train_about_as_fast_the_widest_is_taken(faster: float) -> None:
    """Where none trains in time, and what is timed varies."""
    times = {8: 0.009, 16: 0.009 / faster, 24: 0.02}
    pace = Pace(by_macs, lambda net: times.get(filters(net), 0.05))
    assert filters(designed(pace=pace).candidate("strongest").network) == 16


def filters(net: Network) -> int:
    return int(next(net.shapes[node.name][0] for node in net))


def test_time_for_more_width_but_not_for_more_depth_goes_into_width() -> None:
    deep = Pace(by_macs, lambda net: seconds(net) * (6 if len(list(net)) > 40 else 0.2))
    made = designed(pace=deep)
    assert made.candidate("strongest").cost.macs > made.candidate("balanced").cost.macs
