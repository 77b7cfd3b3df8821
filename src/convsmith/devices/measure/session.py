"""Measuring this machine: networks are timed one after the other, kept as they come, and a table is learned."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from convsmith.devices import store
from convsmith.devices.learn import FEWEST_NETWORKS, learn
from convsmith.devices.measure import runner
from convsmith.devices.measure.graphs import graph_of
from convsmith.devices.measure.samples import DESIGN, sample_network
from convsmith.devices.measure.timings import Timings, graph_name, read_timings
from convsmith.devices.table import DeviceTable, read_table
from convsmith.devices.trust import installed_version
from convsmith.errors import OutputError, UnknownNameError, UsageError
from convsmith.files import write_bytes
from convsmith.network import Network

NETWORKS = 240
"""Networks that are timed where the time suffices."""
SECONDS = 600.0
LEARNING_SHARE = 0.2
"""Of the seconds, what is kept for fitting."""

Measure = Callable[[Network, int], tuple[list[float], list[list[Any]]]]
Progress = Callable[[str, int, int], None]


def _onnxruntime(network: Network, threads: int) -> tuple[list[float], list[list[Any]]]:
    import numpy

    from convsmith.telemetry import import_onnxruntime

    run_ms, nodes = runner.measure(import_onnxruntime(), numpy, graph_of(network), threads)
    return run_ms, nodes


def _openvino(network: Network, threads: int) -> tuple[list[float], list[list[Any]]]:
    from convsmith.devices.measure import open_vino

    return open_vino.measure(graph_of(network), threads)


def _pytorch(network: Network, threads: int) -> tuple[list[float], list[list[Any]]]:
    from convsmith.devices.measure import eager

    return eager.measure(network, threads)


ENGINES: dict[str, Measure] = {"onnxruntime": _onnxruntime, "openvino": _openvino, "pytorch": _pytorch}


def profile(
    name: str | None = None,
    *,
    engine: str = "onnxruntime",
    threads: int = 1,
    seconds: float = SECONDS,
    networks: int = NETWORKS,
    restart: bool = False,
    on_progress: Progress | None = None,
) -> DeviceTable:
    """Measures this machine in an engine and keeps the table under `name`, by default "ENGINE-THREADS".

    It takes `seconds` at most, less where all `networks` are measured before. What has been measured is kept network
    by network: after an interruption the same call goes on, and after a whole measurement it learns the table anew from
    the kept times; `restart` begins again. `on_progress` is told (what is being done, how much of it, how much in all).

    Raises UnknownNameError for an engine, UsageError for one that is not installed, threads below 1, a name whose
    kept times are of another machine, engine or threads, or too little time; OutputError where nothing can be written.
    """
    if engine not in ENGINES:
        raise UnknownNameError("engine", engine, ENGINES)
    installed = installed_version(engine)
    if installed is None:
        raise UsageError(f"{engine} is not installed", settings="engine")
    if threads < 1:
        raise UsageError(f"must be at least 1, not {threads}", settings="threads")
    name = name or f"{engine}-{threads}"
    head = runner.header(engine, installed, threads)
    path = timings_path(name)
    timed = _begun(path, head, restart)
    started = time.monotonic()
    for number in range(networks):
        if on_progress is not None:
            on_progress("measuring", number, networks)
        if number in timed:
            continue
        late = time.monotonic() - started > seconds * (1 - LEARNING_SHARE)
        if late and len(timed) >= FEWEST_NETWORKS:
            break
        if time.monotonic() - started > seconds:
            raise UsageError(
                f"{len(timed)} of the {FEWEST_NETWORKS} networks that a table needs were measured in {seconds:g} s",
                settings="seconds",
            )
        run_ms, nodes = ENGINES[engine](sample_network(number), threads)
        _append(path, {"graph": graph_name(number), "run_ms": run_ms, "nodes": nodes})
        timed.add(number)
    return learn_table(name, read_timings(path), on_progress)


def import_file(path: Path, name: str | None, on_progress: Progress | None = None) -> DeviceTable:
    """Keeps a table that was made elsewhere, or learns one from timings that `runner` wrote on a device.

    Its name is its own, or for timings the file's, unless `name` is given. Raises UsageError for a file that is
    neither, and for timings of too few networks.
    """
    if not path.is_file():
        raise UsageError(f"no file {path}")
    head = runner.lines_of(str(path))[:1]
    if head and isinstance(head[0], dict) and head[0].get("format") == runner.FORMAT:
        return learn_table(name or path.name.partition(".")[0], read_timings(path), on_progress)
    table = read_table(path)
    table = replace(table, name=name or table.name)
    store.save_table(table)
    return table


def learn_table(name: str, timings: Timings, on_progress: Progress | None = None) -> DeviceTable:
    """Learns a table from timings and keeps it. Raises UsageError for too few networks."""
    if len(timings.networks) < FEWEST_NETWORKS:
        raise UsageError(
            f"{len(timings.networks)} networks were timed; a table needs at least {FEWEST_NETWORKS}: measure on"
        )
    told = None if on_progress is None else lambda done, total: on_progress("fitting", done, total)
    learned = learn(list(timings.networks.values()), timings.engine.name, told)
    table = DeviceTable(
        name,
        timings.machine,
        timings.engine,
        timings.date,
        DESIGN,
        len(timings.networks),
        learned.run_ms,
        learned.accuracy,
        learned.fits,
        learned.rows,
    )
    store.save_table(table)
    return table


def timings_path(name: str) -> Path:
    """Where the times of a measurement are kept."""
    return store.path_of(name).with_name(f"{name}.timings.jsonl")


def _begun(path: Path, head: dict[str, Any], restart: bool) -> set[int]:
    """The networks that were timed before; a new file where there are none. Raises UsageError, OutputError."""
    if path.is_file() and not restart:
        kept = read_timings(path)
        lines = runner.lines_of(str(path))
        if {key: lines[0].get(key) for key in ("machine", "engine")} != {k: head[k] for k in ("machine", "engine")}:
            raise UsageError(
                f"{path.name.partition('.')[0]} was begun on {kept.machine.processor} with {kept.engine}, which is not "
                "what would be measured now: give another name, or begin again",
                settings="restart",
            )
        _write(path, lines)  # without a last line that was cut short
        return set(kept.networks)
    _write(path, [head])
    return set()


def _write(path: Path, lines: list[dict[str, Any]]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None
    write_bytes(path, "".join(json.dumps(line) + "\n" for line in lines).encode())


def _append(path: Path, line: dict[str, Any]) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None
