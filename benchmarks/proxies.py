"""What tells a good network before it is trained: rank correlations (Spearman) with val accuracy after a search's
trainings.

The networks are those that a search finished, from its log (`trials.jsonl`); a random search without early stopping
says most, since nothing chose among them. Beside the zero-cost proxies stand what costs nothing at all, parameters and
multiply-adds. Intervals are 95%, by bootstrap over the networks.

    OMP_NUM_THREADS=1 python benchmarks/proxies.py fashion-mnist docs/figures/search-random.jsonl [--space residual]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from convsmith import preprocess_for
from convsmith.cost import cost_of
from convsmith.data.open import open_dataset
from convsmith.searching.proxies import SCORES, proxy_on
from convsmith.searching.spaces.limited import Candidate
from convsmith.searching.spaces.members import Members
from convsmith.searching.spaces.named import space_for
from row import Row, show


def rows(asked: Any) -> Iterator[Row]:
    dataset = open_dataset(asked.data)
    preprocess = preprocess_for(dataset)
    shape, classes = (preprocess.channels, *preprocess.crop), len(dataset.classes)
    members = Members(space_for(asked.space, shape, classes), shape, classes)
    trials = [json.loads(line) for line in Path(asked.log).read_text(encoding="utf-8").splitlines()]
    done = [trial for trial in trials if trial["ended"] == "finished"]
    accuracies = [trial["rungs"][-1]["accuracy"]["value"] for trial in done]
    candidates = []
    for trial in done:
        places = tuple(choice.values.index(trial["choices"][choice.name]) for choice in members.space.choices)
        candidates.append(Candidate(places, cost_of(members.network(places))))
    scores = {"parameters": [float(trial["params"]) for trial in done]}
    scores["multiply-adds"] = [float(trial["macs"]) for trial in done]
    for name in SCORES:
        score = proxy_on(name, dataset, preprocess, asked.seed)  # type: ignore[arg-type]
        scores[name] = [score(candidate) for candidate in candidates]
    for name, values in scores.items():
        told = f"rank correlation {correlation(values, accuracies)}"
        yield Row(f"`proxies.py`: {dataset.name}, {len(done)} networks of {members.space.name}: {name}", "", told, None)


def correlation(values: list[float], accuracies: list[float]) -> str:
    def spearman(a: Any, b: Any) -> float:
        return float(stats.spearmanr(a, b).statistic)

    random = np.random.default_rng(0)
    interval = stats.bootstrap((values, accuracies), spearman, paired=True, vectorized=False, rng=random)
    low, high = interval.confidence_interval
    return f"{spearman(values, accuracies):+.2f} ({low:+.2f} to {high:+.2f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("log")
    parser.add_argument("--space", help="by default as in the search")
    parser.add_argument("--seed", type=int, default=0)
    show(rows(parser.parse_args()))
