"""Times graphs in OpenVINO, operator by operator, as `runner` does in ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np

from convsmith.devices.measure import runner
from convsmith.telemetry import import_openvino

openvino = import_openvino()

VERSION = str(openvino.__version__).partition("-")[0]
NOT_EXECUTED = ["Const", "Constant", "Parameter", "Result"]


def measure(graph: bytes, threads: int) -> tuple[list[float], list[list[Any]]]:
    """Milliseconds of each run, and [layers, operator, milliseconds in each run, shape] of each operator.

    OpenVINO says which of the graph's nodes it has fused into an operator: `layers` is their names, by commas.
    """
    hints = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERF_COUNT": True}
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(graph), "CPU", hints)
    shape = [int(side.get_length()) if side.is_static else 1 for side in compiled.input(0).partial_shape]
    image = np.random.default_rng(0).standard_normal(shape, np.float32)
    request = compiled.create_infer_request()

    def run() -> None:
        request.infer({0: image})

    count = runner.runs_for(min(runner.timed(run, runner.WARM_UP_RUNS)) / 1000)
    run_ms, found = [], _Found(compiled)
    for _ in range(count):
        run_ms += runner.timed(run, 1)
        found.note(request.profiling_info)
    return run_ms, found.nodes


class _Found:
    """The operators' times so far."""

    def __init__(self, compiled: Any) -> None:
        ops = compiled.get_runtime_model().get_ops()
        self._layers = {op.get_friendly_name(): op.get_rt_info()["originalLayersNames"].astype(str) for op in ops}
        self._shapes = {op.get_friendly_name(): list(op.output(0).shape) for op in ops if op.get_output_size()}
        self._by_name: dict[str, list[Any]] = {}

    def note(self, profile: Any) -> None:
        for entry in profile:
            if entry.status != openvino.ProfilingInfo.Status.EXECUTED or entry.node_type in NOT_EXECUTED:
                continue
            layers = self._layers.get(entry.node_name, "") or entry.node_name
            kind, shape = f"{entry.node_type}:{entry.exec_type}", self._shapes.get(entry.node_name, [])
            node = self._by_name.setdefault(entry.node_name, [layers, kind, [], shape])
            node[2].append(entry.real_time.total_seconds() * 1000)

    @property
    def nodes(self) -> list[list[Any]]:
        return list(self._by_name.values())
