"""What a search is asked for, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from convsmith import records
from convsmith.errors import UsageError
from convsmith.scaling.target import Target, Unit

Sampler = Literal["tpe", "nsga2", "evolution", "random"]
Goal = Literal["accuracy", "mnas", "front"]
Pruner = Literal["halving", "hyperband", "none"]
Proxy = Literal["none", "largest", "synflow", "grad_norm", "naswot"]
CostUnit = Literal["params", "macs", "bytes", "ms"]

USUAL_TRIALS, USUAL_EPOCHS, MOST_EPOCHS = 30, 8, 16
"""Trials, and epochs of each, where no time is asked for; and the most epochs that a time is used for."""


@dataclass(frozen=True)
class SearchSettings:
    """How a space is searched.

    - It ends after `trials` trainings or `seconds`; None for both: after `USUAL_TRIALS`. The longest have `epochs`.
    - `goal` says what is best: "accuracy" within the limits; "mnas", accuracy x (cost / target)^w (Tan et al. 2019,
      equation 2) with w -0.07, or, `hard`, 0 up to the target and -1 above; or "front", accuracy against cost. The cost
      is in `unit`, that of the `target` where there is one.
    - `sampler` proposes members, `pruner` stops trainings early, and `proxy` orders proposals before any is trained;
      None: "largest" where accuracy alone counts within limits, unless members are drawn at random.
    - With `inherit` a trial begins with the weights of the finished one that has most of its layers' weights
      (`model.inherited`), if that is half of them.
    - `device` is the table of a device that latencies are predicted from; None: they are measured here.
    - A trial's weights, order and proposal follow from `seed` and its number. `side` is that of the input in pixels.

    Raises UsageError for values out of range, and for what contradicts another.
    """

    trials: int | None = None
    seconds: float | None = None
    epochs: int | None = None
    sampler: Sampler = "tpe"
    goal: Goal = "accuracy"
    pruner: Pruner = "halving"
    proxy: Proxy | None = None
    target: str | None = None
    hard: bool = False
    unit: CostUnit = "macs"
    seed: int = 0
    inherit: bool = False
    side: int | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        for name in ("trials", "epochs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"must be at least 1, not {value}", settings=name)
        if self.seconds is not None and not self.seconds > 0:
            raise UsageError(f"must be above 0, not {self.seconds:g}", settings="seconds")
        if (self.target is None) == (self.goal == "mnas"):
            words = "mnas needs a target" if self.target is None else "only mnas has a target"
            raise UsageError(words, settings=("goal", "target"))
        if self.target is not None and Target.of(self.target).unit == "times":
            raise UsageError("must be 300M-macs, 100k-params, 2MB or 5ms", settings="target")
        if self.hard and self.goal != "mnas":
            raise UsageError("only mnas has a target to keep", settings=("hard", "goal"))
        if self.goal == "front" and self.pruner == "hyperband":
            raise UsageError("hyperband compares one number, and a front has two", settings=("pruner", "goal"))

    @property
    def cost_unit(self) -> Unit:
        """What the cost is measured in."""
        return Target.of(self.target).unit if self.target is not None else self.unit

    @property
    def most_trials(self) -> int | None:
        """After how many trials it ends; None: only time ends it."""
        return USUAL_TRIALS if self.trials is None and self.seconds is None else self.trials

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = records.to_json(self)
        return data
