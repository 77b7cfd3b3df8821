"""The learning rate as a pure function of the step: nothing to save, nothing to restore."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from convsmith.errors import UsageError

Decay = Literal["cosine", "linear", "steps", "exponential", "constant"]


@dataclass(frozen=True)
class Schedule:
    """How the learning rate falls from its peak, once the warm-up has reached it.

    - "cosine": half a period down to 0 (Loshchilov and Hutter 2017, arXiv 1608.03983, eq. 5).
    - "linear": in a straight line to 0; with as long a warm-up, the triangle of one cycle (Smith 2018, arXiv
      1803.09820).
    - "steps": times `factor` at each of `drops`, which are shares of the whole training.
    - "exponential": times `factor` every `every` epochs.
    - "constant": not at all.

    Raises UsageError for a value out of range.
    """

    decay: Decay = "cosine"
    factor: float = 0.1
    drops: tuple[float, ...] = ()
    every: float = 1.0

    def __post_init__(self) -> None:
        for name, right, what in (
            ("factor", 0 < self.factor < 1, "between 0 and 1"),
            ("drops", all(0 < drop < 1 for drop in self.drops), "shares of the training, between 0 and 1"),
            ("every", self.every > 0, "above 0 epochs"),
        ):
            if not right:
                raise UsageError(f"must be {what}, not {getattr(self, name)}", settings=f"schedule.{name}")


COSINE = Schedule()


@dataclass(frozen=True)
class Updates:
    """How many updates a training has in all, in its warm-up, and in an epoch."""

    total: int
    warmup: int = 0
    epoch: int = 1


def learning_rate(step: int, peak: float, updates: Updates, schedule: Schedule = COSINE) -> float:
    """Linear from peak / warm-up updates to the peak (Goyal et al. 2017, arXiv 1706.02677, 2.2), then as scheduled.

    `step` counts updates from 0.
    """
    if step < updates.warmup:
        return peak * (step + 1) / updates.warmup
    after_warmup = step - updates.warmup
    passed = min(1.0, after_warmup / max(1, updates.total - updates.warmup))
    match schedule.decay:
        case "cosine":
            return peak * 0.5 * (1 + math.cos(math.pi * passed))
        case "linear":
            return peak * (1 - passed)
        case "steps":
            return peak * schedule.factor ** sum(step >= round(drop * updates.total) for drop in schedule.drops)
        case "exponential":
            return peak * schedule.factor ** (after_warmup // max(1, round(schedule.every * updates.epoch)))
        case "constant":
            return peak
