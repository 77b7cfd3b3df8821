"""Which member of a space is tried next: optuna's samplers, and evolution, kept within limits.

Whatever a sampler proposes becomes a member within the limits before it is a trial, so that no trial is spent on
another network. What it draws follows from the search's seed and the trial's number, and from the trials before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from convsmith.searching.objective import Objective
from convsmith.searching.settings import Sampler
from convsmith.searching.spaces.limited import Candidate, Limited, Places
from convsmith.searching.spaces.space import Space

STARTUP_TRIALS, POPULATION = 8, 12
"""Random trials before TPE models anything; and the trials of a generation."""

ALIVE, COMPETITORS = 24, 6
"""Aging evolution's: the last trials, of which as many compete to be changed (Real et al. 2019, arXiv 1802.01548)."""

NEW_ATTEMPTS = 8
"""Proposals after which a member that has been tried is tried again."""

PROPOSALS = 8
"""Candidates of which a proxy takes the best."""

Proxy = Callable[[Candidate], float]
"""What a network promises before it is trained; more is better."""


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Optuna's view of a space: places of values, ordered for numbers; without choices that have one value."""
    found: dict[str, BaseDistribution] = {}
    for choice in space.choices:
        last = len(choice.values) - 1
        if last:
            found[choice.name] = (
                IntDistribution(0, last) if choice.ordered else CategoricalDistribution(tuple(range(last + 1)))
            )
    return found


def places_of(space: Space, params: dict[str, Any]) -> Places:
    """The places of a trial's values."""
    return tuple(int(params.get(choice.name, 0)) for choice in space.choices)


def params_of(space: Space, places: Sequence[int]) -> dict[str, int]:
    """The other way round."""
    return {
        choice.name: int(place) for choice, place in zip(space.choices, places, strict=True) if len(choice.values) > 1
    }


class MemberSampler(BaseSampler):
    """Members within limits, proposed by one of optuna's samplers or by evolution; by `proxy` the most promising."""

    def __init__(
        self, kind: Sampler, limited: Limited, objective: Objective, seed: int, proxy: Proxy | None = None
    ) -> None:
        self._kind, self._limited, self._objective, self._seed, self._proxy = kind, limited, objective, seed, proxy
        self._space = limited.members.space

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return distributions(self._space)

    def sample_relative(
        self, study: Any, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        random = np.random.default_rng((self._seed, trial.number))
        before = study.get_trials(deepcopy=False)
        tried = {
            places_of(self._space, other.params) for other in before if other.number != trial.number and other.params
        }
        candidates: dict[Places, Candidate] = {}
        wanted = 1 if self._proxy is None else PROPOSALS
        for _ in range(wanted + NEW_ATTEMPTS):
            candidate = self._proposed(study, trial, search_space, random)
            if candidate.places in tried or candidate.places in candidates:  # then one that is almost the same
                candidate = self._limited.nearest(self._changed(candidate.places, random), random)
            if candidate.places not in tried:
                candidates[candidate.places] = candidate
            if len(candidates) == wanted:
                break
        if self._proxy is not None and candidates:
            candidate = max(candidates.values(), key=self._proxy)
        return params_of(self._space, candidate.places)

    def sample_independent(
        self, study: Any, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        raise AssertionError(f"{param_name} is no choice of the space")  # all are drawn together

    def _proposed(self, study: Any, trial: FrozenTrial, space: dict[str, BaseDistribution], random: Any) -> Candidate:
        places: Sequence[int] | None = None
        if self._kind == "evolution":
            places = self._mutated(study, random)
        elif self._kind != "random":
            params = self._inner(int(random.integers(2**31))).sample_relative(study, trial, space)
            places = places_of(self._space, params) if params else None
        if places is None:
            places = self._limited.drawn(1, random)[0].tolist()
        return self._limited.nearest(places, random)

    def _inner(self, seed: int) -> BaseSampler:
        """Made anew for each proposal: what it knows is in the storage."""
        match self._kind:
            case "tpe":
                return TPESampler(n_startup_trials=STARTUP_TRIALS, multivariate=True, seed=seed)
            case "nsga2":
                return NSGAIISampler(population_size=POPULATION, seed=seed)
        return RandomSampler(seed)

    def _mutated(self, study: Any, random: Any) -> list[int] | None:
        """The best of some of the last trials, with one choice changed; None while there are too few."""
        done = [
            t for t in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)) if t.params
        ]
        if len(done) < STARTUP_TRIALS:
            return None
        alive = done[-ALIVE:]
        some = [alive[int(place)] for place in random.permutation(len(alive))[:COMPETITORS]]
        parent = min(some, key=lambda one: (_beaten(one, some, self._objective), -_accuracy(one)))
        return self._changed(places_of(self._space, parent.params), random)

    def _changed(self, places: Places, random: Any) -> list[int]:
        """The places with one of them another, at random; as they are where no choice has two values."""
        found, counts = list(places), self._limited.members.counts
        if (counts > 1).any():
            place = int(random.choice(np.flatnonzero(counts > 1)))
            found[place] = int((found[place] + random.integers(1, counts[place])) % counts[place])
        return found


def _accuracy(trial: FrozenTrial) -> float:
    """That of its last rung."""
    found = trial.user_attrs.get("rungs") or [[0, 0.0]]
    return float(found[-1][1] or 0.0)


def _beaten(one: FrozenTrial, some: Sequence[FrozenTrial], objective: Objective) -> int:
    """How many are better in everything that counts. Accuracies after different epochs are compared as they are: a
    trial that was stopped early was worse."""

    def values(trial: FrozenTrial) -> tuple[float, ...]:
        found = objective.values(_accuracy(trial), float(trial.user_attrs.get("cost", float("inf"))))
        return (found[0], -found[1]) if objective.is_front else found

    mine = values(one)
    return sum(
        values(other) != mine and all(a >= b for a, b in zip(values(other), mine, strict=True)) for other in some
    )
