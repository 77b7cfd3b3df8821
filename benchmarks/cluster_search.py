"""Aim: two Ray workers finish the same search sooner than one, and no trial is run twice.

The trials are drawn at random and trained whole, so that one worker and two train the same networks for the same
epochs. Ray starts on this machine for each search, which counts; each worker has one core. Rounds alternate.

    python benchmarks/cluster_search.py [--trials 6] [--epochs 2] [--rounds 2]        (five minutes on two quiet cores)
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convsmith import search
from convsmith.cluster.connect import Cluster
from convsmith.design.limits import Limits
from convsmith.searching.found import Found
from convsmith.searching.settings import SearchSettings
from row import Row, show

DATA, LIMITS = "fashion-mini", Limits(max_params=50_000)


def searched(workers: int, asked: Any) -> tuple[float, Found]:
    """Seconds that a search took, and what it found."""
    settings = SearchSettings(trials=asked.trials, epochs=asked.epochs, sampler="random", pruner="none")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        found = search(
            DATA, LIMITS, space="residual", settings=settings, out=Path(folder) / "s", cluster=Cluster("auto", workers)
        )
        return time.perf_counter() - start, found


def members(found: Found) -> list[tuple[Any, ...]]:
    return sorted(tuple(map(str, trial.choices.values())) for trial in found.trials)


def rows(asked: Any) -> Iterator[Row]:
    ratios, times = [], []
    once = True
    for _ in range(asked.rounds):
        (one, alone), (two, shared) = searched(1, asked), searched(2, asked)
        once = once and members(alone) == members(shared) and len(set(members(shared))) == asked.trials
        once = once and len({trial.worker for trial in shared.trials}) == 2
        ratios.append(one / two)
        times.append((one, two))
    told = "; ".join(f"{one:.0f} s and {two:.0f} s" for one, two in times)
    ratio = statistics.median(ratios)
    yield Row(
        f"`cluster_search.py`: {asked.trials} trials of {asked.epochs} epochs on {DATA}, one Ray worker and two",
        "sooner with two, no trial twice",
        f"{ratio:.2f}x as fast ({told}); {'every trial once' if once else 'trials differ'}",
        ratio > 1 and once,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("trials", 6), ("epochs", 2), ("rounds", 2)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    show(rows(parser.parse_args()))
