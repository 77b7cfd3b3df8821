"""Times ONNX graphs on a device, operator by operator. Needs Python 3.8, NumPy and ONNX Runtime; nothing of convsmith.

    python profile_device.py graphs.zip timings.jsonl [threads]

`graphs.zip`, or a folder of .onnx files, is what convsmith's `profile` writes, together with this script. Copy
`timings.jsonl` back, and let `profile` import it. A run that is stopped goes on where it was when it is started again.
Keep the device idle, cool and on its charger meanwhile.

The file has a JSON object on each line. The first describes the device; each other one is a graph: `graph`, `run_ms`
(each whole run) and `nodes`: [name, operator, [ms in each run, with profiling], shape of its output].
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

FORMAT = "convsmith-timings"
VERSION = 1
WARM_UP_RUNS = 2
FEWEST_RUNS, MOST_RUNS = 5, 30
SECONDS_A_GRAPH = 0.15
"""Spent on runs with profiling, and again on runs without."""


def machine() -> dict[str, Any]:
    """What identifies a machine: processor, cores, system."""
    return {
        "processor": processor(),
        "architecture": platform.machine(),
        "cores": os.cpu_count() or 1,
        "system": platform.system(),
    }


def processor() -> str:
    """The processor's name, as the system gives it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            lines = [line.partition(":") for line in file]
    except OSError:
        lines = []
    facts = {key.strip().lower(): value.strip() for key, _, value in lines if value.strip()}
    for key in ("model name", "hardware", "model", "cpu part"):
        if key in facts:
            return " ".join(facts[key].split())
    return platform.processor() or platform.machine()


def runs_for(seconds: float) -> int:
    """How many runs of this length are made."""
    return int(max(FEWEST_RUNS, min(MOST_RUNS, SECONDS_A_GRAPH / max(seconds, 1e-6))))


def timed(run: Callable[[], object], count: int) -> list[float]:
    """Milliseconds of each of `count` runs."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return times


def session_options(onnxruntime: Any, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    return options


def measure(onnxruntime: Any, numpy: Any, graph: bytes, threads: int) -> tuple[list[float], list[list[Any]]]:
    """Times one serialized graph: (milliseconds of each run, [name, operator, milliseconds in each run, shape])."""
    with tempfile.TemporaryDirectory() as folder:
        options = session_options(onnxruntime, threads)
        options.enable_profiling = True
        options.profile_file_prefix = os.path.join(folder, "profile")
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        entry = session.get_inputs()[0]
        shape = [side if isinstance(side, int) else 1 for side in entry.shape]
        image = numpy.random.RandomState(0).standard_normal(shape).astype(numpy.float32)
        outputs = [value.name for value in session.get_outputs()][-1:]

        def run() -> None:
            session.run(outputs, {entry.name: image})

        count = runs_for(min(timed(run, WARM_UP_RUNS)) / 1000)
        timed(run, count)
        with open(session.end_profiling(), encoding="utf-8") as file:
            events = json.load(file)
        return timed(run, count), nodes_of(events, WARM_UP_RUNS)


def nodes_of(events: list[dict[str, Any]], skipped: int) -> list[list[Any]]:
    """[name, operator, [ms in each run], shape of the output] of ONNX Runtime's profile, without the first runs."""
    found: dict[str, list[Any]] = {}
    for event in events:
        name, facts = event.get("name", ""), event.get("args", {})
        if event.get("cat") == "Node" and name.endswith("_kernel_time"):
            name = name[: -len("_kernel_time")]
            node = found.setdefault(name, [name, facts.get("op_name", ""), [], first_shape(facts)])
            node[2].append(event["dur"] / 1000)
    return [[name, operator, times[skipped:], shape] for name, operator, times, shape in found.values()]


def first_shape(facts: dict[str, Any]) -> list[int]:
    """The shape of an operator's first output."""
    for output in facts.get("output_type_shape", []):
        for shape in output.values():
            return list(shape)
    return []


def graphs_of(path: str) -> list[tuple[str, Callable[[], bytes]]]:
    """(name, how to read its bytes) of each graph of a zip file or folder, in order."""
    if os.path.isdir(path):
        files = sorted(name for name in os.listdir(path) if name.endswith(".onnx"))
        return [(name[:-5], partial(_read, os.path.join(path, name))) for name in files]
    archive = zipfile.ZipFile(path)
    names = sorted(name for name in archive.namelist() if name.endswith(".onnx"))
    return [(os.path.basename(name)[:-5], partial(archive.read, name)) for name in names]


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def lines_of(path: str) -> list[Any]:
    """The objects of a timings file; a last line that was cut short is left out."""
    if not os.path.exists(path):
        return []
    found = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            try:
                found.append(json.loads(line))
            except ValueError:
                break
    return found


def header(engine: str, version: str, threads: int, precision: str = "float32") -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "machine": machine(),
        "engine": {"name": engine, "version": version, "threads": threads, "precision": precision},
        "date": time.strftime("%Y-%m-%d"),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Times ONNX graphs on this device, operator by operator.")
    parser.add_argument("graphs", help="graphs.zip, or a folder of .onnx files")
    parser.add_argument("timings", help="the file to write, or to go on with")
    parser.add_argument("threads", type=int, nargs="?", default=1, help="threads of ONNX Runtime (1)")
    asked = parser.parse_args(arguments)
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import numpy
    import onnxruntime  # type: ignore[import-untyped]

    graphs = graphs_of(asked.graphs)
    if not graphs:
        sys.exit("%s: no .onnx files in it" % asked.graphs)
    head = header("onnxruntime", onnxruntime.__version__, asked.threads)
    done = lines_of(asked.timings)
    if done and {key: done[0].get(key) for key in ("machine", "engine")} != {
        key: head[key] for key in ("machine", "engine")
    }:
        sys.exit("%s: begun on another machine, with another version or other threads" % asked.timings)
    lines = [json.dumps(line) for line in done] or [json.dumps(head)]
    names = {line.get("graph") for line in done}
    with open(asked.timings, "w", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in lines))
        for number, (name, read) in enumerate(graphs, 1):
            if name in names:
                continue
            run_ms, nodes = measure(onnxruntime, numpy, read(), asked.threads)
            file.write(json.dumps({"graph": name, "run_ms": run_ms, "nodes": nodes}) + "\n")
            file.flush()
            print("\r%d of %d" % (number, len(graphs)), end="", file=sys.stderr, flush=True)
    print("\nwrote %s" % asked.timings, file=sys.stderr)


if __name__ == "__main__":
    main()
