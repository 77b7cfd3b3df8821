"""What tells a good network before it is trained: rank correlations (Spearman) with accuracy after a short training.

Members of a space within a limit are drawn at random, and each is trained by the default recipe on the same images for
the same epochs. Beside the zero-cost proxies stand what costs nothing at all, parameters and multiply-adds, and `size`,
both. Intervals are 95%, by bootstrap over the members.

    OMP_NUM_THREADS=1 python benchmarks/proxies.py [DATA] [--space residual] [--max-params 100000] [--members 14]
        [--images 10000] [--epochs 3] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from convsmith.data.open import open_dataset
from convsmith.design.limits import Limits
from convsmith.fitting.trials import accuracy_of, short_training, some
from convsmith.searching.proxies import SCORES, proxy_on
from convsmith.searching.settings import SearchSettings
from convsmith.searching.study import limited_for, work_on
from row import Row, show


def rows(asked: Any) -> Iterator[Row]:
    dataset = open_dataset(asked.data)
    few = replace(dataset, splits={**dataset.splits, "train": some(dataset.split("train"), asked.images)})
    settings = SearchSettings(seed=asked.seed)
    limited, preprocess = limited_for(few, asked.space, Limits(max_params=asked.max_params), settings, lambda net: 0.0)
    work = work_on("", limited, few, preprocess, settings, asked.epochs)
    places = limited.drawn(asked.members, np.random.default_rng(asked.seed))
    candidates = [limited.at(tuple(row.tolist())) for row in places]
    accuracies = []
    for number, candidate in enumerate(candidates):
        training = short_training(work.chosen(candidate, work.recipe_seed(number)), few)
        training.advance()
        accuracy = accuracy_of(training, few)
        assert accuracy is not None
        accuracies.append(accuracy.value)
        cost = candidate.cost
        print(f"{cost.params:,} parameters, {cost.macs / 1e6:.1f} M MACs: {accuracy}", file=sys.stderr, flush=True)
    for name, values in told(candidates, few, preprocess, asked.seed).items():
        yield Row(
            f"`proxies.py`: {dataset.name}, {asked.space}, {len(candidates)} networks, seed {asked.seed}: {name}",
            "",
            f"rank correlation {correlation(values, accuracies)}",
            None,
        )


def told(candidates: Any, dataset: Any, preprocess: Any, seed: int) -> dict[str, list[float]]:
    """By what tells it: a figure for each candidate."""
    found: dict[str, list[float]] = {
        "parameters": [float(one.cost.params) for one in candidates],
        "multiply-adds": [float(one.cost.macs) for one in candidates],
        "size": [float(one.cost.params * one.cost.macs) for one in candidates],
    }
    for name in SCORES:
        score = proxy_on(name, dataset, preprocess, seed)  # type: ignore[arg-type]
        found[name] = [score(one) for one in candidates]
    return found


def correlation(values: list[float], accuracies: list[float]) -> str:
    def spearman(a: Any, b: Any) -> float:
        return float(stats.spearmanr(a, b).statistic)

    random = np.random.default_rng(0)
    interval = stats.bootstrap((values, accuracies), spearman, paired=True, vectorized=False, rng=random)
    low, high = interval.confidence_interval
    return f"{spearman(values, accuracies):+.2f} ({low:+.2f} to {high:+.2f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="fashion-mnist")
    parser.add_argument("--space", default="residual")
    parser.add_argument("--max-params", type=int, default=100_000)
    parser.add_argument("--members", type=int, default=14)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    show(rows(parser.parse_args()))
