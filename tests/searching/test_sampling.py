"""What is proposed: within limits, never twice, a function of seed and number, and better as trials tell more."""

from __future__ import annotations

from statistics import mean
from typing import Any, get_args

import optuna
import pytest

from convsmith.cost import cost_of
from convsmith.design.limits import Limits
from convsmith.searching.objective import Objective
from convsmith.searching.sampling import MemberSampler, distributions, params_of, places_of
from convsmith.searching.settings import Sampler, SearchSettings
from convsmith.searching.spaces.limited import Limited
from convsmith.searching.spaces.members import Members
from convsmith.searching.spaces.named import space_for

SHAPE, MOST = (1, 28, 28), 40_000
MEMBERS = Members(space_for("plain", SHAPE, 10), SHAPE, 10)
WANTED = (0, 1, 0, 1, 2, 1, 0, 3, 0, 0, 1, 2)
"""The member that the made-up accuracy rises to."""


def accuracy(places: tuple[int, ...]) -> float:
    return sum(place == wanted for place, wanted in zip(places, WANTED, strict=True)) / len(WANTED)


def proposals(kind: Sampler, seed: int = 0, count: int = 45, proxy: Any = None) -> list[tuple[int, ...]]:
    """What is tried in a search whose trainings are made up."""
    limited = Limited(MEMBERS, Limits(max_params=MOST), lambda network: 0.0)
    sampler = MemberSampler(kind, limited, Objective(SearchSettings()), seed, proxy)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    found = []
    for _ in range(count):
        trial = study.ask(distributions(MEMBERS.space))
        places = places_of(MEMBERS.space, trial.params)
        trial.set_user_attr("rungs", [[1, accuracy(places)]])
        study.tell(trial, accuracy(places))
        found.append(places)
    return found


@pytest.fixture(scope="module")
def tried() -> dict[str, list[tuple[int, ...]]]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return {kind: proposals(kind) for kind in get_args(Sampler)}


@pytest.mark.parametrize("kind", get_args(Sampler))
def test_proposals_keep_to_limits_and_are_not_repeated(kind: str, tried: dict[str, list[tuple[int, ...]]]) -> None:
    assert all(cost_of(MEMBERS.network(places)).params <= MOST for places in tried[kind])
    assert len(set(tried[kind])) == len(tried[kind])


@pytest.mark.parametrize("kind", ["tpe", "nsga2", "evolution"])
def test_a_sampler_learns_from_trials(kind: str, tried: dict[str, list[tuple[int, ...]]]) -> None:
    late, at_random = tried[kind][30:], tried["random"]
    assert mean(map(accuracy, late)) > mean(map(accuracy, at_random)) + 0.1


def test_seed_and_number_say_what_is_proposed(tried: dict[str, list[tuple[int, ...]]]) -> None:
    assert proposals("tpe", count=15) == tried["tpe"][:15]
    assert proposals("tpe", seed=1, count=3) != tried["tpe"][:3]


def test_a_proxy_picks_among_proposals(tried: dict[str, list[tuple[int, ...]]]) -> None:
    picked = proposals("random", count=8, proxy=lambda candidate: -float(candidate.cost.macs))
    smallest = mean(cost_of(MEMBERS.network(places)).macs for places in picked)
    assert smallest < mean(cost_of(MEMBERS.network(places)).macs for places in tried["random"]) / 2


def test_places_and_params_are_one_anothers_inverse() -> None:
    for places in ((0,) * len(WANTED), WANTED):
        assert places_of(MEMBERS.space, dict(params_of(MEMBERS.space, places))) == places
