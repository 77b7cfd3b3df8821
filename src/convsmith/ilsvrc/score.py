"""The score of entries: error with one to five guesses, by class, and of several entries together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.cost.table import aligned
from convsmith.data.sources.imagenet.devkit import Kit, open_kit
from convsmith.errors import DataError
from convsmith.evaluation.metrics import Interval, wilson
from convsmith.ilsvrc.entry import GUESSES, NO_GUESS, read_entry
from convsmith.wordnet import shipped

RESULTS_2012 = {
    "SuperVision, extra data": 0.15315,
    "SuperVision": 0.16422,
    "ISI, weighted sum": 0.26172,
}
"""The published top-5 error on the test images, task 1 (image-net.org/challenges/LSVRC/2012/results.html)."""

TOGETHER = "together"


@dataclass(frozen=True, eq=False)
class Score:
    """The error of an entry: `errors[k - 1]` with the first k guesses, and `by_class` with five, by WordNet id."""

    name: str
    images: int
    errors: tuple[Interval, ...]
    by_class: dict[str, Interval]

    def to_json(self) -> dict[str, Any]:
        errors = {f"error_{k}": error.to_json() for k, error in enumerate(self.errors, 1)}
        by_class = {wordnet_id: error.to_json() for wordnet_id, error in self.by_class.items()}
        return {"name": self.name, "images": self.images, **errors, "by_class": by_class}


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of entries, and of all of them `together` where there are several."""

    entries: tuple[Score, ...]
    together: Score | None = None

    @property
    def gain(self) -> float | None:
        """By how much the top-5 error of all together is below that of the best entry alone."""
        if self.together is None:
            return None
        return min(score.errors[-1].value for score in self.entries) - self.together.errors[-1].value

    def to_json(self) -> dict[str, Any]:
        together = None if self.together is None else self.together.to_json()
        entries = [score.to_json() for score in self.entries]
        return {"entries": entries, "together": together, "gain": self.gain, "results_2012": RESULTS_2012}

    def __str__(self) -> str:
        shown = (*self.entries, *([self.together] if self.together else []))
        columns = ("entry", *(f"error, {k} guess{'es' if k > 1 else ''}" for k in range(1, GUESSES + 1)))
        rows = [(score.name, *(f"{error.value:.2%}" for error in score.errors)) for score in shown]
        rows += [
            (f"{name} (2012, test)", *[""] * (GUESSES - 1), f"{error:.2%}") for name, error in RESULTS_2012.items()
        ]
        last = shown[-1]
        error = last.errors[-1]
        lines = [
            f"{last.images:,} images; top-5 error of {last.name}: {error.value:.2%}, 95% interval {error.low:.2%} to "
            f"{error.high:.2%}",
            aligned(columns, rows, "l" + "r" * GUESSES),
        ]
        if self.gain is not None:
            how = f"{self.gain:.2%} below" if self.gain >= 0 else f"{-self.gain:.2%} above"
            lines.append(
                f"together: each guess weighs 5, 4, 3, 2, 1 by its rank, summed over entries; {how} the best alone"
            )
        return "\n".join([*lines, "", self._hardest(last)])

    @staticmethod
    def _hardest(score: Score) -> str:
        """The classes with the highest error."""
        worst = sorted(score.by_class.items(), key=lambda item: -item[1].value)[:10]
        names = {name: shipped()[name].names[0] if name in shipped() else "" for name, _ in worst}
        rows = [
            (name, names[name], f"{error.value:.1%}", f"{error.low:.1%} to {error.high:.1%}") for name, error in worst
        ]
        return aligned(("hardest class", "", "top-5 error", "95%"), rows, "llrl")


def score(entries: Sequence[str | Path], kit: str | Path) -> Scores:
    """Scores entries against the ground truth of a development kit, or of the folder that it lies in.

    Raises DataError naming the file and line that is not as it should be.
    """
    if not entries:
        raise DataError("no entry to score")
    truth = open_kit(Path(kit))
    paths = [Path(entry) for entry in entries]
    read = [read_entry(path, len(truth.truth), max(truth.wordnet_ids)) for path in paths]
    names = [path.name if len({p.name for p in paths}) == len(paths) else str(path) for path in paths]
    scores = tuple(score_of(name, guesses, truth) for name, guesses in zip(names, read, strict=True))
    return Scores(scores, score_of(TOGETHER, combined(read, max(truth.wordnet_ids)), truth) if len(read) > 1 else None)


def score_of(name: str, guesses: NDArray[np.int64], kit: Kit) -> Score:
    """The score of guesses (N, 5) against the kit's N images."""
    hits = guesses == kit.truth[:, None]
    within = np.logical_or.accumulate(hits, axis=1)
    missed = len(kit.truth) - within.sum(axis=0)
    by_class = {}
    for number, wordnet_id in kit.wordnet_ids.items():
        own = within[kit.truth == number, -1]
        if len(own):
            by_class[wordnet_id] = wilson(int((~own).sum()), len(own))
    errors = tuple(wilson(int(count), len(kit.truth)) for count in missed)
    return Score(name, len(kit.truth), errors, by_class)


def combined(entries: Sequence[NDArray[np.int64]], classes: int) -> NDArray[np.int64]:
    """The five guesses with the highest sums of weights 5, 4, 3, 2, 1 by rank, over entries (N, 5)."""
    together = np.zeros((len(entries[0]), GUESSES), np.int64)
    weights = np.arange(GUESSES, 0, -1)
    rows = np.repeat(np.arange(len(together)), GUESSES)
    sums = np.zeros((len(together), classes + 1), np.int32)
    for guesses in entries:
        np.add.at(sums, (rows, guesses.ravel()), np.tile(weights, len(together)))
    sums[:, NO_GUESS] = 0
    keys = sums * (classes + 1) - np.arange(classes + 1, dtype=np.int32)  # of equal sums the lower id comes first
    best = np.argpartition(keys, -GUESSES, axis=1)[:, -GUESSES:]
    ranked = np.take_along_axis(best, np.argsort(-np.take_along_axis(keys, best, axis=1), axis=1), axis=1)
    taken = np.take_along_axis(sums, ranked, axis=1) > 0
    together[taken] = ranked[taken]
    return together
