"""The file of timings: what a device was seen to take, network by network, which a table is learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convsmith import records
from convsmith.devices.learn import Timing, quartile
from convsmith.devices.measure import runner
from convsmith.devices.measure.samples import DESIGN, sample_network
from convsmith.devices.table import EngineSetup, Machine
from convsmith.errors import UsageError


@dataclass(frozen=True)
class Timings:
    """A file of timings: the device that it is of, and each network that was timed, by its number in the design."""

    machine: Machine
    engine: EngineSetup
    date: str
    networks: dict[int, Timing]


def graph_name(number: int) -> str:
    """The name of a sampled network's graph: of which design, which number."""
    return f"design{DESIGN}-{number:04d}"


def number_of(name: object, where: str) -> int:
    """The number of a graph. Raises UsageError for one of another design, or of no design at all."""
    design, _, number = str(name).partition("-")
    if design != f"design{DESIGN}" or not number.isdigit():
        raise UsageError(
            f"{where}: graph {name!r} is not of the networks that this convsmith measures (design {DESIGN}): "
            "write the graphs again and measure those"
        )
    return int(number)


def read_timings(path: Path) -> Timings:
    """The timings in a file of JSON lines; a last line that was cut short is left out.

    Raises UsageError for a file that is no such one, saying what is wrong with it.
    """
    try:
        lines = runner.lines_of(str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error})") from None
    if not lines or not isinstance(lines[0], dict) or lines[0].get("format") != runner.FORMAT:
        raise UsageError(f"{path}: neither timings nor a device table")
    head = lines[0]
    if head.get("version") != runner.VERSION:
        raise UsageError(f"{path}: timings of version {head.get('version')}; this convsmith reads {runner.VERSION}")
    machine = records.from_json(Machine, head.get("machine"), f"timings: {path}: machine")
    engine = records.from_json(EngineSetup, head.get("engine"), f"timings: {path}: engine")
    networks = {}
    for line in lines[1:]:
        number = number_of(line.get("graph") if isinstance(line, dict) else None, str(path))
        try:
            networks[number] = timing_of(number, line["run_ms"], line["nodes"])
        except (KeyError, TypeError, ValueError):
            raise UsageError(f"{path}: the timings of graph {line['graph']!r} are damaged") from None
    return Timings(machine, engine, str(head.get("date", "")), networks)


def timing_of(number: int, run_ms: Sequence[float], nodes: Sequence[Any]) -> Timing:
    """One network's repeated times, as one time for the run and for each kernel."""
    kernels = tuple(
        (str(name), str(operator), quartile(times), tuple(int(side) for side in shape))
        for name, operator, times, shape in nodes
    )
    run = quartile(run_ms)
    if not run > 0 or any(not ms >= 0 for _, _, ms, _ in kernels):
        raise ValueError("a time below 0")
    return Timing(sample_network(number), run, kernels)
