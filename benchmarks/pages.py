"""What memory in large pages (THP_MEM_ALLOC_ENABLE=1) gives a training step (docs/speed.md has the figures).

torch reads the setting once, so there are two processes, that make the same steps of `train_step.py`'s cases in turns:
one with large pages, one with those of 4 KB. The ratio is the median over the turns.

    python benchmarks/pages.py [NETWORK ...]
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import time
from multiprocessing.connection import Connection

import torch

import convsmith
from train_step import CASES, Case, our_step, seconds

SECONDS = 20
"""What the turns of one case take."""

WARM_UP = 3
"""Steps that are not timed: the first ones allocate what later ones use again."""


def serve(case: Case, turns: Connection) -> None:
    """Makes a case's steps and sends their seconds, one turn for each message, until it is told to stop."""
    network = convsmith.create(case.model, classes=case.classes, input=case.input)
    images, labels = torch.rand(case.batch, *case.input), torch.randint(case.classes, (case.batch,))
    step, _, _ = our_step(network, images, labels)
    seconds(step, WARM_UP)
    turns.send(0.0)
    while turns.recv():
        turns.send(seconds(step, case.steps))


def start(case: Case, large: bool) -> Connection:
    """A process that has set up a case's steps, in large pages or not."""
    os.environ["THP_MEM_ALLOC_ENABLE"] = str(int(large))
    ours, theirs = multiprocessing.Pipe()
    multiprocessing.get_context("spawn").Process(target=serve, args=(case, theirs), daemon=True).start()
    ours.recv()
    return ours


def turn(process: Connection) -> float:
    process.send(True)
    taken: float = process.recv()
    return taken


def main(names: list[str]) -> None:
    for case in CASES:
        if names and case.model not in names:
            continue
        large, small = start(case, large=True), start(case, large=False)
        times = []
        deadline = time.perf_counter() + SECONDS
        while time.perf_counter() < deadline:
            times.append((turn(large), turn(small)))
        for process in (large, small):
            process.send(False)
        ratio = statistics.median(small / large for large, small in times)
        rate = case.batch / statistics.median(large for large, _ in times)
        print(
            f"{case.model:<16} batch {case.batch:<4} {ratio:.2f} times: {rate:,.0f} images/s in large pages", flush=True
        )


if __name__ == "__main__":
    main(sys.argv[1:])
