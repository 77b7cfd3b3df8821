"""What is to be best: accuracy, accuracy with a price on cost, or the front of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from convsmith.design.limits import file_bytes
from convsmith.scaling.target import Target
from convsmith.searching.settings import SearchSettings

if TYPE_CHECKING:
    from convsmith.searching.spaces.limited import Candidate

SOFT_EXPONENT, HARD_EXPONENT = -0.07, -1.0
"""MNASNet's w: the price of doubling latency is 5% of the accuracy; and that of exceeding a target that is kept."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Objective:
    """What a trial is worth, by the settings."""

    settings: SearchSettings

    @property
    def is_front(self) -> bool:
        return self.settings.goal == "front"

    @property
    def timed(self) -> bool:
        """Whether latency is part of it."""
        return self.settings.cost_unit == "ms" and self.settings.goal != "accuracy"

    def cost(self, candidate: Candidate) -> float:
        """What the candidate takes, in the settings' unit."""
        match self.settings.cost_unit:
            case "params":
                return float(candidate.cost.params)
            case "bytes":
                return float(file_bytes(candidate.cost))
            case "ms":
                return float("nan") if candidate.latency is None else candidate.latency
        return float(candidate.cost.macs)

    def values(self, accuracy: float, cost: float) -> tuple[float, ...]:
        """What optuna is told: one number, or accuracy and cost."""
        match self.settings.goal:
            case "front":
                return accuracy, cost
            case "mnas":
                return (accuracy * (cost / self._target) ** self._exponent(cost),)
        return (accuracy,)

    @property
    def _target(self) -> float:
        assert self.settings.target is not None
        return Target.of(self.settings.target).amount

    def _exponent(self, cost: float) -> float:
        if self.settings.hard:
            return HARD_EXPONENT if cost > self._target else 0.0
        return SOFT_EXPONENT


def front(points: Sequence[tuple[float, float, Item]]) -> list[Item]:
    """Of (accuracy, cost, item) the items than which none is both at least as accurate and at most as costly, and
    better in one; the cheapest first."""
    found: list[Item] = []
    best = float("-inf")
    for accuracy, _, item in sorted(points, key=lambda point: (point[1], -point[0])):
        if accuracy > best:
            found.append(item)
            best = accuracy
    return found
