"""How scaled networks are compared by training."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.errors import UsageError


@dataclass(frozen=True)
class Trials:
    """How candidates are compared: the epochs of the longest trainings, or seconds for all of them together; whether
    the ways to scale are trained too; the seed of weights and order.

    Raises UsageError for numbers out of range, and for epochs and seconds at once.
    """

    epochs: int | None = None
    seconds: float | None = None
    compare: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs is not None and self.seconds is not None:
            raise UsageError("give one or the other, not both", settings=("epochs", "seconds"))
        if self.epochs is not None and self.epochs < 1:
            raise UsageError(f"must be at least 1, not {self.epochs}", settings="epochs")
        if self.seconds is not None and self.seconds <= 0:
            raise UsageError(f"must be above 0, not {self.seconds:g}", settings="seconds")
