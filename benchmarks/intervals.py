"""Aim: what is called a 95% interval holds the true value in 95 of 100 samples, and McNemar's test errs in 5 at most.

Samples are drawn from populations of which the truth is known, measured as `convsmith evaluate` measures them, and
counted by whether the interval holds the truth. Wilson's interval and the bootstrap are not exact: the rate may be two
points off on average, of which one is the chance of so few samples. The exact McNemar test is conservative.

    python benchmarks/intervals.py        (a minute on one core)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from convsmith.evaluation.metrics import Interval, Metrics, mean_of, measure, wilson
from convsmith.evaluation.paired import mcnemar
from row import Row, show

NOMINAL, OFF = 0.95, 0.02
DRAWS = 20_000
"""Samples of what is cheap to measure."""

SAMPLES, IMAGES = 1000, 400
"""Samples of what is resampled, and images in each."""

ACCURACIES = (0.5, 0.7, 0.9, 0.99)
SIZES = (50, 200, 1000)
LARGE, LARGE_SAMPLES = 10_000, 10
"""Images of the samples, and how many, whose mean metrics are taken for the truth."""


def holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def wilson_rates() -> dict[tuple[int, float], float]:
    """How often Wilson's interval holds the accuracy, by images and accuracy."""
    of = cache(wilson)
    random = np.random.default_rng(0)
    return {
        (size, accuracy): float(
            np.mean([holds(of(hits, size), accuracy) for hits in random.binomial(size, accuracy, DRAWS).tolist()])
        )
        for size in SIZES
        for accuracy in ACCURACIES
    }


def answers(random: np.random.Generator, better: float) -> tuple[np.ndarray, np.ndarray]:
    """Which images two models have right: the easy ones both, the others each by itself, the second more of them."""
    easy = random.random(IMAGES) < 0.6
    return easy | (random.random(IMAGES) < 0.4), easy | (random.random(IMAGES) < 0.4 + better)


def paired_rate(better: float) -> float:
    """How often the paired bootstrap holds the difference of two accuracies."""
    random = np.random.default_rng(1)
    held = []
    for _ in range(SAMPLES):
        first, second = answers(random, better)
        held.append(holds(mean_of(second.astype(np.float64) - first), 0.4 * better))
    return float(np.mean(held))


def mcnemar_rate() -> float:
    """How often two equally good models are told apart at p < 0.05."""
    of = cache(mcnemar)
    random = np.random.default_rng(2)
    told = []
    for _ in range(DRAWS):
        first, second = answers(random, 0.0)
        told.append(of(int((first & ~second).sum()), int((second & ~first).sum())) < 0.05)
    return float(np.mean(told))


def logits(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, 5) of which the labels (N,) are drawn by a sharper softmax: a classifier that is too sure."""
    found = 1.5 * random.standard_normal((count, 5))
    sharp = np.exp(0.7 * found)
    shares = np.cumsum(sharp / sharp.sum(axis=1, keepdims=True), axis=1)
    return found, (shares < random.random((count, 1))).sum(axis=1).clip(0, 4)


def metric_rates() -> dict[str, float]:
    """How often the bootstrap holds a metric, whose truth is that of large samples."""
    random = np.random.default_rng(3)
    classes = tuple("abcde")
    large = [measure(*logits(random, LARGE), classes, split="test") for _ in range(LARGE_SAMPLES)]
    small = [measure(*logits(random, IMAGES), classes, split="test") for _ in range(SAMPLES)]
    metrics: dict[str, Callable[[Metrics], Interval]] = {"cross-entropy": lambda m: m.loss, "AURC": lambda m: m.aurc}
    truths = {name: float(np.mean([of(one).value for one in large])) for name, of in metrics.items()}
    return {name: float(np.mean([holds(of(one), truths[name]) for one in small])) for name, of in metrics.items()}


def rows() -> Iterator[Row]:
    rates = wilson_rates()
    (size, accuracy), lowest = min(rates.items(), key=lambda item: item[1])
    mean = float(np.mean(list(rates.values())))
    yield Row(
        f"`intervals.py`: Wilson's interval of an accuracy ({len(rates)} sizes and accuracies, {DRAWS:,} samples each)",
        f"95% within {100 * OFF:.0f} points on average",
        f"{mean:.1%}; lowest {lowest:.1%} ({size} images, accuracy {accuracy:.0%})",
        abs(mean - NOMINAL) <= OFF,
    )
    for better in (0.0, 0.1):
        rate = paired_rate(better)
        yield Row(
            f"`intervals.py`: paired bootstrap, {40 * better:.0f} points apart ({SAMPLES:,} samples of {IMAGES})",
            f"95% within {100 * OFF:.0f} points",
            f"{rate:.1%}",
            abs(rate - NOMINAL) <= OFF,
        )
    rate = mcnemar_rate()
    yield Row(
        f"`intervals.py`: equal models told apart by McNemar's exact test at p < 0.05 ({DRAWS:,} samples)",
        "at most 5%",
        f"{rate:.1%}",
        rate <= 0.05,
    )
    for name, rate in metric_rates().items():
        yield Row(
            f"`intervals.py`: bootstrap of the {name} ({SAMPLES:,} samples of {IMAGES})",
            f"95% within {100 * OFF:.0f} points",
            f"{rate:.1%}",
            abs(rate - NOMINAL) <= OFF,
        )


if __name__ == "__main__":
    show(rows())
