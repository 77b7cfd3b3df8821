"""A device whose operators take what a formula says, so that nothing needs to be measured."""

from __future__ import annotations

from typing import Any

from convsmith.devices.measure import runner
from convsmith.devices.measure.samples import sample_network
from convsmith.devices.measure.timings import graph_name
from convsmith.devices.plan import plan
from convsmith.devices.unit import Unit, size
from convsmith.network import Network

NETWORKS = 24
RUN_MS = 0.02


def operator_ms(unit: Unit) -> float:
    """A roofline: 50 GMACs a second, 10 GB a second, 2 us for each operator."""
    moved = 4 * (size(unit.input) + unit.inputs * size(unit.output) + unit.weights)
    return 0.002 + max(unit.macs / 5e7, moved / 1e7)


def network_ms(network: Network, engine: str = "onnxruntime") -> float:
    return RUN_MS + sum(operator_ms(one.unit) for one in plan(network, engine))


def timed(network: Network, threads: int = 1) -> tuple[list[float], list[list[Any]]]:
    """What `runner.measure` would give: each operator as one kernel, named as ONNX Runtime does."""
    nodes = []
    for one in plan(network, "onnxruntime"):
        name, operator = one.layers[-1], one.unit.kind
        if one.unit.kind == "reorder":
            name, operator = f"Reorder_{len(nodes)}", "ReorderInput" if one.unit.blocked else "ReorderOutput"
        ms = operator_ms(one.unit)
        nodes.append([name, operator, [ms, ms, 3 * ms], [1, *one.unit.output]])
    whole = network_ms(network)
    return [whole, whole, 2 * whole], nodes


def lines(networks: int = NETWORKS, **changes: Any) -> list[dict[str, Any]]:
    """A file of timings, line by line; `changes` are to its head."""
    head = runner.header("onnxruntime", "1.0.0", 1) | changes
    made = []
    for number in range(networks):
        run_ms, nodes = timed(sample_network(number))
        made.append({"graph": graph_name(number), "run_ms": run_ms, "nodes": nodes})
    return [head, *made]
