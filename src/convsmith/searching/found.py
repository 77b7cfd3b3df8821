"""What a search came to: its trials, their front, and the network that is chosen."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from convsmith.cost.table import WIDTH, aligned
from convsmith.evaluation.metrics import Interval
from convsmith.network.describe import short
from convsmith.network.network import Network
from convsmith.scaling.target import said
from convsmith.searching.objective import Objective, front
from convsmith.searching.settings import SearchSettings


@dataclass(frozen=True, eq=False)
class Tried:
    """One trial: its number, the member by the values of its choices, what it takes and how its training went.

    `rungs` are (epochs, val accuracy); `ended` is "finished", "stopped early", "out of time", "diverged", or "lost"
    where its process died. `parent` is the trial with whose weights it began, if it did.
    """

    number: int
    choices: dict[str, Any]
    params: int
    macs: int
    bytes: int
    ms: float | None
    cost: float
    seed: int
    rungs: tuple[tuple[int, Interval], ...]
    ended: str
    seconds: float
    worker: str
    parent: int | None = None

    @property
    def epochs(self) -> int:
        return self.rungs[-1][0] if self.rungs else 0

    @property
    def accuracy(self) -> Interval | None:
        return self.rungs[-1][1] if self.rungs else None

    def to_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "ended": self.ended,
            "rungs": [{"epochs": epochs, "accuracy": accuracy.to_json()} for epochs, accuracy in self.rungs],
            "params": self.params,
            "macs": self.macs,
            "bytes": self.bytes,
            "latency_ms": self.ms,
            "seed": self.seed,
            "seconds": self.seconds,
            "worker": self.worker,
            "parent": self.parent,
            "choices": self.choices,
        }


@dataclass(frozen=True, eq=False)
class Found:
    """A search's trials, in order, and `network`, the one that is chosen: the best by the objective."""

    data: str
    space: str
    settings: SearchSettings
    epochs: int
    trials: tuple[Tried, ...]
    chosen: Tried
    network: Network
    folder: Path
    members: int = 0

    @cached_property
    def front(self) -> tuple[Tried, ...]:
        """Finished trials than which none is both more accurate and cheaper, the cheapest first."""
        points = [
            (trial.accuracy.value, trial.cost, trial)
            for trial in self.trials
            if trial.ended == "finished" and trial.accuracy is not None
        ]
        return tuple(front(points))

    def to_json(self) -> dict[str, Any]:
        return {
            "data": self.data,
            "space": self.space,
            "settings": self.settings.to_json(),
            "epochs": self.epochs,
            "chosen": self.chosen.to_json(),
            "front": [trial.number for trial in self.front],
            "trials": [trial.to_json() for trial in self.trials],
            "architecture": self.network.to_json(),
        }

    def __str__(self) -> str:
        return "\n\n".join((self._summary(), self._front(), textwrap.fill(self._note(), WIDTH)))

    def _summary(self) -> str:
        ended = [trial.ended for trial in self.trials]
        counts = ", ".join(f"{ended.count(kind)} {kind}" for kind in dict.fromkeys(sorted(ended)))
        chosen = self.chosen
        rows = [
            ("data", self.data),
            ("space", f"{self.space}, {self.members:,} members"),
            ("sampler", f"{self.settings.sampler}, seed {self.settings.seed}"),
            ("trials", f"{len(self.trials)}: {counts}"),
            ("chosen", f"trial {chosen.number}, {self.network.name}"),
            ("", f"{short(chosen.params)} parameters, {short(chosen.macs)} MACs, val accuracy {chosen.accuracy}"),
        ]
        return aligned((), rows, "ll")

    def _front(self) -> str:
        if not self.front:
            return f"No training came to its end, {self.epochs} epochs: give more time, or fewer epochs"
        unit = self.settings.cost_unit
        header = ("", "trial", "parameters", "MACs", "latency" if unit == "ms" else "file", "val accuracy")
        rows = []
        for trial in self.front:
            last = said(trial.ms, "ms") if unit == "ms" and trial.ms is not None else said(trial.bytes, "bytes")
            mark = "*" if trial is self.chosen else ""
            cells = (mark, str(trial.number), short(trial.params), short(trial.macs), last, str(trial.accuracy))
            rows.append(cells)
        title = f"The front of accuracy against {AXES[unit]}, after {self.epochs} epochs"
        return f"{title}\n{aligned(header, rows, 'lrrrrl')}"

    @staticmethod
    def _note() -> str:
        return (
            "The best of many val accuracies is higher than its network's own: the full training, which begins anew, "
            "and the test split say what it is worth."
        )


INTERVAL_ERRORS = 2 * 1.96
"""Standard errors from one end of a 95% interval to the other."""

AXES = {"params": "parameters", "macs": "multiply-adds", "bytes": "bytes of the model file", "ms": "ms for one image"}


def tried_of(trial: Any) -> Tried:
    """What the storage has of a trial."""
    notes = trial.user_attrs
    rungs = tuple((int(row[0]), Interval(*row[1:4])) for row in notes.get("rungs", ()))
    return Tried(
        trial.number,
        notes.get("choices", {}),
        int(notes.get("params", 0)),
        int(notes.get("macs", 0)),
        int(notes.get("bytes", 0)),
        notes.get("ms"),
        float(notes.get("cost", float("nan"))),
        int(notes.get("seed", 0)),
        rungs,
        notes.get("ended", "lost"),
        float(notes.get("seconds", 0.0)),
        notes.get("worker", ""),
        notes.get("parent"),
    )


def best_of(trials: tuple[Tried, ...], settings: SearchSettings) -> Tried | None:
    """The finished trial that is best by the objective, of a front the most accurate; where none was finished, that
    which came furthest, and then was best. Of equals the cheapest.

    Where accuracy alone counts, of those within a standard error of the most accurate that with the most multiply-adds:
    short trainings favour networks that learn fast, and a full one those that can learn more.
    """
    objective = Objective(settings)
    reached = [trial for trial in trials if trial.accuracy is not None]

    def worth(trial: Tried) -> tuple[int, float, float]:
        assert trial.accuracy is not None
        return trial.epochs, objective.values(trial.accuracy.value, trial.cost)[0], -trial.cost

    best = max(reached, key=worth, default=None)
    if best is None or settings.goal != "accuracy":
        return best
    assert best.accuracy is not None
    least = best.accuracy.value - (best.accuracy.high - best.accuracy.low) / INTERVAL_ERRORS
    alike = [one for one in reached if one.epochs == best.epochs and one.accuracy and one.accuracy.value >= least]
    return max(alike, key=lambda one: (one.macs, worth(one)))
