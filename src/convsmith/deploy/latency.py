"""How long a network takes for one image, here."""

from __future__ import annotations

import statistics
import time

import numpy as np

import convsmith
from convsmith.backend.onnx import to_onnx
from convsmith.backend.runtime.session import THREADS, Session
from convsmith.model import Model
from convsmith.network import INPUT, Network

WARM_UP_RUNS = 3
MOST_RUNS = 30
FEWEST_RUNS = 5
SECONDS = 1.0
"""Slow networks are timed until this has passed, but at least `FEWEST_RUNS` times."""


def latency_ms(source: Network | Model, threads: int = THREADS) -> float:
    """Milliseconds for one image on this machine: the median of up to 30 runs, after a warm-up.

    What is timed is what would be deployed: the exported graph in ONNX Runtime on `threads` threads, from the
    preprocessed image to the probabilities. A network gets fresh weights, since time does not depend on them; a model
    that computes in integers runs in those.
    """
    network = source.network if isinstance(source, Model) else source
    weights = source.weights if isinstance(source, Model) else convsmith.build(network).state_dict()
    grids = source.grids if isinstance(source, Model) else {}
    graph = to_onnx(
        network,
        {name: tensor.detach().float().numpy() for name, tensor in weights.items()},
        grids={key: {part: tensor.numpy() for part, tensor in grid.items()} for key, grid in grids.items()},
    )
    session = Session(graph.SerializeToString(), threads)
    image = np.random.default_rng(0).standard_normal((1, *network.input), np.float32)
    for _ in range(WARM_UP_RUNS):
        session.run("probabilities", INPUT, image)
    times: list[float] = []
    while len(times) < MOST_RUNS and (len(times) < FEWEST_RUNS or sum(times) < SECONDS):
        start = time.perf_counter()
        session.run("probabilities", INPUT, image)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)
