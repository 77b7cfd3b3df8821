"""Claim: what `fit` chooses by itself beats what it chose before, on sets of six kinds and in the same time.

Before, it took the first of a table of names by the side of the pictures (`convsmith.design.choose.choose`). Both get
the same data, seed and seconds, one after the other. A row for each set: accuracy of both with 95% intervals over seeds
(Student's t), and whether the gain is beyond them. Exit code 1 if any mean is lower by more than its interval.

    python benchmarks/choice.py [--sets glyphs,textures,...,EMOJI.csv] [--seeds 3] [--seconds 120]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy import stats

from convsmith import Dataset, Network, Request, fit, preprocess_for
from convsmith.data.augment.augment import written_characters
from convsmith.deploy.latency import latency_ms
from convsmith.design.choose import choose
from convsmith.design.limits import Limits
from convsmith.train.recipes.default import default_epochs
from convsmith.train.tune.pace import seconds_an_image
from derived_sets import SETS, set_named


def chosen_before(dataset: Dataset, seconds: float) -> Network:
    """The network that `fit` took before it looked at the images."""
    preprocess, images = preprocess_for(dataset), len(dataset.split("train"))
    return choose(
        *(len(dataset.classes), (preprocess.channels, *preprocess.crop), images, Limits()),
        *(latency_ms, seconds_an_image),
        epochs=default_epochs(images),
        characters=written_characters(dataset.classes),
        training_seconds=seconds,
    ).network


def accuracies(name: str, seed: int, seconds: float) -> tuple[float, float]:
    """Test accuracy of what was chosen before, and of what is chosen now."""
    dataset = set_named(name, seed)
    found = []
    for which in ("before", "now"):
        network = chosen_before(dataset, seconds) if which == "before" else None
        with tempfile.TemporaryDirectory() as folder:
            made = fit(dataset, network, Request(seconds=seconds, seed=seed), out=Path(folder) / "run")
        found.append(made.metrics.top1.value)
        print(f"  {name} seed {seed} {which}: {found[-1]:.2%}, {made.network.name}", file=sys.stderr, flush=True)
    return found[0], found[1]


def interval(values: np.ndarray) -> str:
    """Mean and half its 95% interval, in percent."""
    if len(values) == 1:
        return f"{values[0]:.2%}"
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f"{values.mean():.2%} +- {half:.2%}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=120.0)
    asked = parser.parse_args()
    print(f"| set | before | now | gain | ({asked.seeds} seeds, {asked.seconds:g} s each)\n| --- | --- | --- | --- |")
    worse = False
    for name in asked.sets.split(","):
        found = np.array([accuracies(name, seed, asked.seconds) for seed in range(asked.seeds)])
        gains = found[:, 1] - found[:, 0]
        print(
            f"| {Path(name).name} | {interval(found[:, 0])} | {interval(found[:, 1])} | {interval(gains)} |", flush=True
        )
        half = stats.t.ppf(0.975, len(gains) - 1) * stats.sem(gains) if len(gains) > 1 else 0.0
        worse |= bool(gains.mean() < -half)
    return int(worse)


if __name__ == "__main__":
    sys.exit(main())
