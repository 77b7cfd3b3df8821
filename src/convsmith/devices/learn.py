"""From timings to a table: which operator each measured time belongs to, what overhead there is, and the fits."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from convsmith.devices.interpolate import MOST_OPERATORS, Fit, Process, fit
from convsmith.devices.plan import SOFTMAX, plan
from convsmith.devices.table import Accuracy, Row
from convsmith.devices.unit import Unit, size
from convsmith.errors import UsageError
from convsmith.network import Network

QUANTILE = 0.25
"""Of a time's repetitions: what it takes where nothing else runs, without trusting one lucky run."""
SHORTEST_MS = 0.0005
FEWEST_NETWORKS = 20
HELD_OUT = 5
"""One network in so many tells how accurate the table is."""


BARE = ("dense", "function", "batch_norm", "norm", "lrn", "move", "max_pool", "avg_pool", "mean")
"""Kinds of operator that an engine may compute by kernels of other names."""


@dataclass(frozen=True)
class Timing:
    """One network's measured times: ms of a whole run, and (name, operator, ms, output shape) of each kernel."""

    network: Network
    run_ms: float
    kernels: tuple[tuple[str, str, float, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Learned:
    """What timings say: rows, fits, ms of a run beside its operators, and how well all of it predicts."""

    rows: tuple[Row, ...]
    fits: tuple[Fit, ...]
    run_ms: float
    accuracy: Accuracy


def quartile(times: Sequence[float]) -> float:
    """The lower quartile of repeated times; 0 where there are none."""
    return float(np.quantile(times, QUANTILE)) if len(times) else 0.0


def learn(timings: Sequence[Timing], engine: str, on_progress: Callable[[int, int], None] | None = None) -> Learned:
    """Fits a table's contents. `on_progress` is told (kinds fitted, kinds in all).

    Accuracy is of every fifth network, predicted from the operators of the others. Raises UsageError for times that
    belong to no layer.
    """
    matched = [_Matched(timing, engine) for timing in timings]
    run_ms, kernel_ms = _overhead(matched)
    by_kind = _by_kind(matched, kernel_ms)
    if not by_kind:
        raise UsageError("none of the timed kernels has the name of a layer")
    rows: list[Row] = []
    fits = []
    for number, ((kind, blocked), measured) in enumerate(sorted(by_kind.items())):
        if on_progress is not None:
            on_progress(number, len(by_kind))
        units = list(measured)[:MOST_OPERATORS]
        ms = np.array([max(SHORTEST_MS, float(np.median(measured[unit]))) for unit in units])
        found, kept = fit(kind, blocked, units, ms)
        fits.append(found)
        rows += [Row(unit, float(time)) for unit, time, keep in zip(units, ms, kept, strict=True) if keep]
    return Learned(tuple(rows), tuple(fits), run_ms, _accuracy(matched, fits, run_ms, kernel_ms))


def _by_kind(matched: Iterable[_Matched], kernel_ms: float) -> dict[tuple[str, bool], dict[Unit, list[float]]]:
    """The measured times of each operator, its kernels' overhead included, by kind and layout."""
    found: dict[tuple[str, bool], dict[Unit, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in matched:
        for unit, ms, kernels in one.units:
            found[unit.kind, unit.blocked][unit].append(ms + kernel_ms * kernels)
    return found


def _accuracy(matched: Sequence[_Matched], fits: Sequence[Fit], run_ms: float, kernel_ms: float) -> Accuracy:
    tried = matched[::HELD_OUT]
    known = _by_kind((one for number, one in enumerate(matched) if number % HELD_OUT), kernel_ms)
    predicted: dict[Unit, float] = {}
    for found in fits:
        measured = known.get((found.kind, found.blocked), {})
        units = list(measured)[:MOST_OPERATORS]
        times = np.array([max(SHORTEST_MS, float(np.median(measured[unit]))) for unit in units])
        process = Process(found, units, times)
        asked = (unit for one in tried for unit in (*one.needed, *(unit for unit, _, _ in one.units)))
        wanted = list({unit for unit in asked if (unit.kind, unit.blocked) == (found.kind, found.blocked)})
        predicted.update(zip(wanted, process.predict(wanted).tolist(), strict=True))
    alone = [
        predicted[unit] / (ms + kernel_ms * n) - 1 for one in tried for unit, ms, n in one.units if unit in predicted
    ]
    whole = [(run_ms + sum(predicted.get(unit, 0.0) for unit in one.needed)) / one.run_ms - 1 for one in tried]
    explained = sum(one.explained for one in matched) / sum(one.total for one in matched)
    return Accuracy(
        float(np.median(np.abs(alone))),
        float(np.quantile(np.abs(alone), 0.9)),
        float(np.median(np.abs(whole))),
        float(np.quantile(np.abs(whole), 0.9)),
        explained,
    )


class _Matched:
    """A network's kernels, each with the operator that it belongs to."""

    def __init__(self, timing: Timing, engine: str) -> None:
        self.run_ms = timing.run_ms
        self.kernels = len(timing.kernels)
        self.total = sum(ms for _, _, ms, _ in timing.kernels)
        self.planned = plan(timing.network, engine)
        self.output = timing.network.inference.output
        self._owner = {
            layer: number
            for number, planned in enumerate(self.planned)
            for layer in planned.layers
            if planned.unit.kind != "reorder"
        }
        self._footprint = self.planned[0].unit.footprint
        self._ms: dict[int, float] = defaultdict(float)
        self._count: Counter[int] = Counter()
        self.units: list[tuple[Unit, float, int]] = []
        """(operator, ms, kernels) of all that has been matched."""
        self.explained = 0.0
        """ms of kernels that are named after a layer, or change the layout."""
        self._match(timing)
        for number, planned in enumerate(self.planned):
            if self._count[number] and planned.unit.kind != "reorder":
                self.units.append((planned.unit, self._ms[number], self._count[number]))

    @property
    def needed(self) -> list[Unit]:
        """The operators that prediction would sum."""
        return [planned.unit for planned in self.planned]

    def _match(self, timing: Timing) -> None:
        left, before = [], 0
        for position, (name, operator, ms, shape) in enumerate(timing.kernels):
            if operator in ("ReorderInput", "ReorderOutput"):
                sides = tuple(shape[1:])
                self.explained += ms
                unit = Unit("reorder", sides, sides, blocked=operator == "ReorderInput", footprint=self._footprint)
                self.units.append((unit, ms, 1))
                continue
            number = self._owner_of(name)
            self.explained += ms if number is not None else 0.0
            if number is None:
                left.append((position, before))
            else:
                before = number
                self._give(number, ms)
        named = set(self._count)
        for position, before in left:
            number = self._owner_of_unnamed(timing, position, before, named)
            if number is not None:
                self._give(number, timing.kernels[position][2])

    def _owner_of(self, name: str) -> int | None:
        """The operator of a kernel that is named after one of its layers."""
        for part in name.split(","):
            layer = re.sub(r"(_bn|_mul)?_nchwc(_\d+)?$", "", part).split("/")[0]
            layer = self.output if layer == "logits" else layer
            layer = SOFTMAX if layer.startswith(SOFTMAX) else layer
            if layer in self._owner:
                return self._owner[layer]
        return None

    def _owner_of_unnamed(self, timing: Timing, position: int, before: int, named: set[int]) -> int | None:
        """The operator of a kernel that the engine made and named itself.

        It is the next of those without a kernel whose output has as many elements, or else what runs after it.
        """
        elements = size(tuple(timing.kernels[position][3][1:]))
        alike = [
            number
            for number, planned in enumerate(self.planned)
            if planned.unit.kind in BARE and size(planned.unit.output) == elements and number not in named
        ]
        if alike:
            return min(alike, key=lambda number: (number < before, abs(number - before)))
        after = (self._owner_of(name) for name, *_ in timing.kernels[position + 1 :])
        return next((number for number in after if number is not None), None)

    def _give(self, number: int, ms: float) -> None:
        self._ms[number] += ms
        self._count[number] += 1


def _overhead(matched: Sequence[_Matched]) -> tuple[float, float]:
    """ms that a whole run takes beside its kernels: for itself, at least 0, and for each kernel.

    That of a kernel may be below 0: kernels are timed with the engine's profile on, and whole runs with it off. What
    counts is the relative error of whole runs, with less weight for those that were disturbed.
    """
    from scipy.optimize import least_squares  # type: ignore[import-untyped]

    runs = np.array([one.run_ms for one in matched])
    beside = runs - np.array([one.total for one in matched])
    counts = np.array([one.kernels for one in matched], np.float64)
    found = least_squares(
        lambda terms: (terms[0] + terms[1] * counts - beside) / runs,
        x0=(0.001, 0.0),
        bounds=((0.0, -np.inf), (np.inf, np.inf)),
        x_scale=(1e-2, 1e-3),
        loss="soft_l1",
        f_scale=0.02,
    )
    return float(found.x[0]), float(found.x[1])
