"""What a method of compression is given, and how it says that it cannot do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from convsmith.errors import ConvsmithError
from convsmith.model import Model
from convsmith.shrinking.figures import Figures
from convsmith.shrinking.target import Measure
from convsmith.shrinking.work import Place, Step, Work

ROUNDING = 1e-9
"""Of a difference of two accuracies."""


class UnreachableError(ConvsmithError):
    """A method cannot bring a model to a limit, however much accuracy is given up; the message says why."""


@dataclass(frozen=True, eq=False)
class Task:
    """A model in plain floats that is to keep to a limit.

    `before` is what was measured of the model as it was given; `max_drop` the share of the val images that may be lost,
    `epochs` the passes over the training images that each way may take.
    """

    start: Model
    before: Figures
    measure: Measure
    limit: float
    max_drop: float
    epochs: int
    work: Work

    def step(self, name: str, what: str, make: Callable[[Place], Model]) -> Step:
        """See `Work.step`."""
        return self.work.step(name, what, make)

    def fits(self, figures: Figures) -> bool:
        """Whether the limit is kept to."""
        return figures.amount(self.measure) <= self.limit

    def drop(self, figures: Figures) -> float:
        """The share of the val images that is lost, below 0 if some are won."""
        return self.before.val.value - figures.val.value

    def met(self, figures: Figures) -> bool:
        """Whether the limit is kept to, and no more accuracy lost than may be."""
        return self.fits(figures) and self.drop(figures) <= self.max_drop + ROUNDING

    def epochs_of(self, part: float) -> int:
        """So much of the epochs, at least one."""
        return max(1, round(part * self.epochs))

    def within(self, name: str) -> Task:
        """The same, with its steps in a folder of their own."""
        return replace(self, work=self.work.within(name))


Route: TypeAlias = Callable[[Task], tuple[Step, ...]]
"""A way to the limit: the steps that it takes. Raises UnreachableError."""
