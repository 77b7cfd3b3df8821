"""Successive halving: trainings side by side, of which the worse half stops, again and again (Jamieson and Talwalkar
2016, arXiv 1502.07943)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from convsmith.data.dataset import Dataset
from convsmith.errors import UsageError
from convsmith.evaluation.metrics import Interval
from convsmith.fitting.chosen import Chosen
from convsmith.fitting.trials import accuracy_of, short_training
from convsmith.train.run.run import DivergedError


@dataclass(frozen=True, slots=True)
class Reached:
    """What a training came to: its val accuracy after so many epochs, None if it diverged.

    `finished` says that it was among the best to the end of its recipe.
    """

    epochs: int
    accuracy: Interval | None
    finished: bool

    @property
    def value(self) -> float:
        """The accuracy; below 0 where there is none."""
        return -1.0 if self.accuracy is None else self.accuracy.value

    def __str__(self) -> str:
        epochs = f"{self.epochs} epoch{'s' * (self.epochs != 1)}"
        return f"{epochs}, {'diverged' if self.accuracy is None else f'{self.accuracy} of val'}"


def rungs_of(epochs: int, entrants: int) -> tuple[int, ...]:
    """Epochs after which the worse half stops, and the last, `epochs`: each twice the one before, from at least 1, and
    so many that at least two trainings are left for the last."""
    rungs = [epochs]
    while rungs[0] >= 2 and entrants > 2 ** len(rungs):
        rungs.insert(0, ceil(rungs[0] / 2))
    return tuple(rungs)


def epochs_in_all(epochs: int, entrants: int) -> int:
    """Epochs of all trainings together."""
    if not entrants:
        return 0
    before, total, left = 0, 0, entrants
    for rung in rungs_of(epochs, entrants):
        total += left * (rung - before)
        before, left = rung, ceil(left / 2)
    return total


def successive_halving(
    entrants: Sequence[Chosen], dataset: Dataset, told: Callable[[int, Reached], None] = lambda index, reached: None
) -> tuple[Reached, ...]:
    """What each training came to, in the entrants' order. All have recipes of as many epochs.

    The better half at a rung goes on where it stood, on the schedule of the whole recipe; of equals the first. `told`
    hears of each training at each rung. Nothing is written. Raises UsageError for recipes of different epochs.
    """
    lengths = {chosen.plan.recipe.epochs for chosen in entrants}
    if len(lengths) != 1:
        raise UsageError(f"trainings that are compared must have as many epochs, not {sorted(lengths)}")
    rungs = rungs_of(lengths.pop(), len(entrants))
    trainings = {index: short_training(chosen, dataset) for index, chosen in enumerate(entrants)}
    reached: dict[int, Reached] = {}
    for rung in rungs:
        for index, training in trainings.items():
            try:
                training.advance(rung - len(training.history))
                accuracy = accuracy_of(training, dataset)
            except DivergedError:
                accuracy = None
            reached[index] = Reached(rung, accuracy, rung == rungs[-1])
            told(index, reached[index])
        best = sorted(trainings, key=lambda index: -reached[index].value)[: ceil(len(trainings) / 2)]
        trainings = {index: trainings[index] for index in sorted(best)}
    return tuple(reached[index] for index in range(len(entrants)))
