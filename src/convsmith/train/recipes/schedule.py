"""The learning rate as a pure function of the step: nothing to save, nothing to restore."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

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
                raise UsageError(f"schedule: {name} is {getattr(self, name)}; it must be {what}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "drops": tuple(data["drops"])})


COSINE = Schedule()


def learning_rate(
    step: int, *, peak: float, warmup_steps: int, total_steps: int, epoch_steps: int = 1, schedule: Schedule = COSINE
) -> float:
    """Linear from peak / warmup_steps up to the peak (Goyal et al. 2017, arXiv 1706.02677, 2.2), then as scheduled.

    `step` counts updates from 0; `epoch_steps` are the updates of an epoch.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    passed = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    match schedule.decay:
        case "cosine":
            return peak * 0.5 * (1 + math.cos(math.pi * passed))
        case "linear":
            return peak * (1 - passed)
        case "steps":
            return peak * schedule.factor ** sum(step >= round(drop * total_steps) for drop in schedule.drops)
        case "exponential":
            return peak * schedule.factor ** ((step - warmup_steps) // max(1, round(schedule.every * epoch_steps)))
        case "constant":
            return peak
