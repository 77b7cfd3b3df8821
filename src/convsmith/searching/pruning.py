"""Trials that are stopped early: asynchronous successive halving (Li et al. 2020, arXiv 1810.05934), and hyperband."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

from convsmith.fitting.halving import rungs_of
from convsmith.searching.settings import SearchSettings

REDUCTION = 2
"""Of the trials that have reached a rung, the best one in so many go on."""

ENTRANTS = 16
"""Trials for which rungs are laid out: epochs / 8, / 4, / 2 and all."""


def rungs(settings: SearchSettings, epochs: int) -> tuple[int, ...]:
    """Epochs after which a training is compared with the others; the last is the end."""
    return (epochs,) if settings.pruner == "none" else rungs_of(epochs, ENTRANTS)


def pruner_of(settings: SearchSettings, epochs: int) -> Any:
    """Optuna's, for one number; a front is compared by `falls_behind`."""
    from optuna import pruners

    first = rungs(settings, epochs)[0]
    if settings.goal == "front" or settings.pruner == "none":
        return pruners.NopPruner()
    if settings.pruner == "hyperband":
        return pruners.HyperbandPruner(min_resource=first, max_resource=epochs, reduction_factor=REDUCTION)
    return pruners.SuccessiveHalvingPruner(min_resource=first, reduction_factor=REDUCTION)


def falls_behind(point: tuple[float, float], others: Sequence[tuple[float, float]]) -> bool:
    """Whether a trial is stopped at a rung, where a front is sought: its (accuracy, cost) beside those of the trials
    that have been there. Of these, the part in `REDUCTION` goes on than which the fewest are better in both."""

    def beaten(one: tuple[float, float]) -> int:
        return sum(other[0] > one[0] and other[1] <= one[1] for other in (point, *others))

    ranked = sorted(beaten(other) for other in (point, *others))
    return beaten(point) > ranked[ceil(len(ranked) / REDUCTION) - 1]
