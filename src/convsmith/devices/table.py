"""A device's table: what operators take there, and the interpolation between them."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from convsmith import records
from convsmith.devices.interpolate import Fit, Process
from convsmith.devices.unit import Unit
from convsmith.errors import UsageError
from convsmith.files import write_bytes

FORMAT = "convsmith-device"
VERSION = 1

SUBSTITUTES = {
    "stem": "conv",
    "pointwise": "conv",
    "conv": "pointwise",
    "grouped": "conv",
    "depthwise": "grouped",
    "transposed": "conv",
    "matmul": "dense",
    "dense": "pointwise",
    "max_pool": "avg_pool",
    "avg_pool": "max_pool",
    "softmax": "norm",
    "lrn": "norm",
    "norm": "batch_norm",
    "batch_norm": "function",
}
"""Where nothing of a kind was measured, what is nearest to it; in the end `FALLBACK`, which reads and writes maps."""
FALLBACK = ("sum", "move", "function", "pointwise", "conv")


@dataclass(frozen=True)
class Machine:
    """What identifies a machine: its processor's name, architecture, cores, operating system."""

    processor: str
    architecture: str
    cores: int
    system: str


@dataclass(frozen=True)
class EngineSetup:
    """An engine as it was measured: name, version, threads, in what it computes."""

    name: str
    version: str
    threads: int
    precision: str = "float32"

    def __str__(self) -> str:
        return f"{self.name} {self.version}, {self.threads} thread{'s' if self.threads != 1 else ''}"


@dataclass(frozen=True)
class Row:
    """A measured operator: ms of one image, its share of the engine's overhead included."""

    unit: Unit
    ms: float


@dataclass(frozen=True)
class Accuracy:
    """How well the table predicts what was measured and not used: relative errors, as fractions.

    Of operators each predicted from the others, and of the measured networks as a whole: median and 90th percentile.
    `explained` is the share of the measured time that belongs to operators that the fusion rules expect.
    """

    operators_median: float
    operators_p90: float
    networks_median: float
    networks_p90: float
    explained: float


@dataclass(frozen=True)
class DeviceTable:
    """What operators take on a machine, in an engine, on some threads; batch 1.

    `run_ms` is what a run takes beside its operators. `design` numbers the networks that were measured.
    """

    name: str
    machine: Machine
    engine: EngineSetup
    date: str
    design: int
    networks: int
    run_ms: float
    accuracy: Accuracy
    fits: tuple[Fit, ...]
    rows: tuple[Row, ...]

    def ms(self, units: list[Unit]) -> dict[Unit, float]:
        """Predicted ms of each operator. Each is computed once, however many networks have it."""
        new = [unit for unit in dict.fromkeys(units) if unit not in self._known]
        by_process: dict[tuple[str, bool], list[Unit]] = {}
        for unit in new:
            by_process.setdefault(self.kind_for(unit), []).append(unit)
        for key, some in by_process.items():
            predicted = self._process(key).predict(some)
            self._known.update(zip(some, predicted.tolist(), strict=True))
        return self._known

    def kind_for(self, unit: Unit) -> tuple[str, bool]:
        """The measured kind that stands for an operator, and whether blocked: its own, or the nearest there is."""
        kind: str | None = unit.kind
        tried: list[str] = []
        while kind is not None and kind not in tried:
            for blocked in (unit.blocked, not unit.blocked):
                if (kind, blocked) in self._fits:
                    return kind, blocked
            tried.append(kind)
            kind = SUBSTITUTES.get(kind)
        for other in FALLBACK:
            for blocked in (False, True):
                if (other, blocked) in self._fits:
                    return other, blocked
        return next(iter(self._fits))

    @cached_property
    def _known(self) -> dict[Unit, float]:
        return {}

    @cached_property
    def _fits(self) -> dict[tuple[str, bool], Fit]:
        return {(fit.kind, fit.blocked): fit for fit in self.fits}

    @cached_property
    def _processes(self) -> dict[tuple[str, bool], Process]:
        return {}

    def _process(self, key: tuple[str, bool]) -> Process:
        if key not in self._processes:
            rows = [row for row in self.rows if (row.unit.kind, row.unit.blocked) == key]
            times = np.array([row.ms for row in rows])
            self._processes[key] = Process(self._fits[key], [row.unit for row in rows], times)
        return self._processes[key]

    def to_json(self) -> dict[str, Any]:
        """A JSON value; see docs/latency.md for its fields."""
        rows = [{"ms": row.ms, **_told(row.unit)} for row in self.rows]
        data: dict[str, Any] = records.to_json(self)
        return {"format": FORMAT, "version": VERSION, **data, "rows": rows}

    @classmethod
    def from_json(cls, data: object, where: str = "this") -> Self:
        """The table that `to_json` wrote. Raises UsageError saying what is wrong with it."""
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise UsageError(f"{where}: not a device table (no {FORMAT!r} as its format)")
        if data.get("version") != VERSION:
            raise UsageError(
                f"{where}: a device table of version {data.get('version')}; this convsmith reads {VERSION}"
            )
        plain = {key: value for key, value in data.items() if key not in ("format", "version")}
        rows = plain.get("rows")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise UsageError(f"{where}: not a device table: it has no rows")
        plain["rows"] = [{"unit": {k: v for k, v in row.items() if k != "ms"}, "ms": row.get("ms")} for row in rows]
        table = records.from_json(cls, plain, f"a device table: {where}")
        table.check(where)
        return table

    def check(self, where: str) -> None:
        """Raises UsageError for numbers that no measurement gives, and for a table with nothing to interpolate."""
        if not self.fits or not self.rows:
            raise UsageError(f"{where}: an empty device table")
        if not all(np.isfinite(row.ms) and row.ms > 0 for row in self.rows):
            raise UsageError(f"{where}: a device table with a time that is not above 0")


def _told(unit: Unit) -> dict[str, Any]:
    """A unit's fields without those at their defaults."""
    defaults = {field.name: field.default for field in fields(Unit)}
    return {name: getattr(unit, name) for name in defaults if getattr(unit, name) != defaults[name]}


def read_table(path: Path) -> DeviceTable:
    """The table in a file. Raises UsageError for a file that is not one, or damaged."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not a device table, or cut short: not JSON ({error})") from None
    return DeviceTable.from_json(data, str(path))


def write_table(table: DeviceTable, path: Path) -> None:
    """Raises OutputError where it cannot be written; what was at `path` then stays."""
    write_bytes(path, (json.dumps(records.to_json(table.to_json())) + "\n").encode())
