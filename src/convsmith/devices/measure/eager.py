"""Times networks in PyTorch, layer by layer, as `runner` does in ONNX Runtime."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx

import convsmith
from convsmith.devices.measure import runner
from convsmith.network import Network

VERSION = torch.__version__.partition("+")[0]


def measure(network: Network, threads: int) -> tuple[list[float], list[list[Any]]]:
    """Milliseconds of each run, and [layer, operator, milliseconds in each run, shape] of each layer."""
    network = network.inference
    module = convsmith.build(network).eval()
    image = torch.randn(1, *network.input)
    with _threads(threads), torch.inference_mode():
        timed = _Timed(module, network)
        count = runner.runs_for(min(runner.timed(lambda: module(image), runner.WARM_UP_RUNS)) / 1000)
        for _ in range(count):
            timed.run(image)
        return runner.timed(lambda: module(image), count), timed.layers


class _Timed(fx.Interpreter):
    """Runs a module layer by layer and notes what each takes."""

    def __init__(self, module: fx.GraphModule, network: Network) -> None:
        super().__init__(module)
        computed = [node for node in module.graph.nodes if node.op not in ("placeholder", "output")]
        shapes = network.shapes
        self._layer: dict[str, list[Any]] = {
            node.name: [layer.name, layer.op.kind, [], [1, *shapes[layer.name]]]
            for node, layer in zip(computed, network, strict=True)
        }

    @property
    def layers(self) -> list[list[Any]]:
        return list(self._layer.values())

    def run_node(self, n: fx.Node) -> Any:
        start = time.perf_counter()
        result = super().run_node(n)
        if n.name in self._layer:
            self._layer[n.name][2].append(1000 * (time.perf_counter() - start))
        return result


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
