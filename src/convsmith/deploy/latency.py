"""How long a network takes for one image on this machine."""

from __future__ import annotations

import statistics
import time

import numpy as np

import convsmith
from convsmith.backend.onnx import to_onnx
from convsmith.deploy.session import THREADS, Session
from convsmith.network import INPUT, Network

WARM_UP_RUNS = 3
MOST_RUNS = 30
FEWEST_RUNS = 5
SECONDS = 1.0
"""Slow networks are timed for this long, but at least `FEWEST_RUNS` times."""


def latency_ms(network: Network, threads: int = THREADS) -> float:
    """Milliseconds for one image on this machine: the median of up to 30 runs, after a warm-up.

    What is timed is what would be deployed: the exported graph in ONNX Runtime on `threads` threads, from the
    preprocessed image to the probabilities. The weights are freshly initialised: time does not depend on them.
    """
    weights = {name: tensor.numpy() for name, tensor in convsmith.build(network).state_dict().items()}
    session = Session(to_onnx(network, weights).SerializeToString(), threads)
    image = np.random.default_rng(0).standard_normal((1, *network.input), np.float32)
    for _ in range(WARM_UP_RUNS):
        session.run("probabilities", INPUT, image)
    times: list[float] = []
    while len(times) < MOST_RUNS and (len(times) < FEWEST_RUNS or sum(times) < SECONDS):
        start = time.perf_counter()
        session.run("probabilities", INPUT, image)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)
