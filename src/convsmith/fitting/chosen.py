"""What a run is to do, once that is decided, and how it was decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convsmith import records
from convsmith.cost import cost_of
from convsmith.design.designer import Design
from convsmith.evaluation.metrics import Interval
from convsmith.model import Model
from convsmith.train.run.plan import RunPlan


@dataclass(frozen=True)
class Trial:
    """What a short training said of one way to train: `accuracy` on the val split, `seconds` that the trial took.

    `verdict` says in words why it was taken or not; `accuracy` is None where it was not tried, or came to no end.
    """

    kind: str
    network: str
    params: int
    macs: int
    accuracy: Interval | None
    seconds: float
    verdict: str


@dataclass(frozen=True, eq=False)
class Choice:
    """A choice that was left to us: the design with its evidence, the ways that were compared, and the reason."""

    design: Design
    trials: tuple[Trial, ...]
    reason: str

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = records.to_json({"trials": self.trials, "reason": self.reason})
        return {**data, "design": self.design.to_json()}


@dataclass(frozen=True, eq=False)
class Chosen:
    """A plan, and the model whose weights it starts from; None: initial ones. `choice` is how it was come to, where
    network and weights were not asked for. `teacher` is the model that `plan.taught_by` tells of. `usual_seconds` is
    what its training should take, where that is left to us: a slower one has fewer epochs."""

    plan: RunPlan
    start: Model | None = None
    choice: Choice | None = None
    teacher: Model | None = None
    usual_seconds: float | None = None


def trial_of(kind: str, plan: RunPlan, verdict: str, accuracy: Interval | None = None, seconds: float = 0.0) -> Trial:
    """What is told of one way to train."""
    cost = cost_of(plan.network)
    return Trial(kind, plan.network.name, int(cost.params), int(cost.macs), accuracy, seconds, verdict)
