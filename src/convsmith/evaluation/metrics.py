"""What is measured of a classifier, each figure with a 95% interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.errors import DataError

Z = 1.959963984540054
"""The normal distribution's 97.5% point."""

BINS = 15
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Interval:
    """A measured value and the 95% interval around it; NaN where nothing could be measured."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2%} ({self.low:.2%} to {self.high:.2%})"

    def to_json(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


def wilson(hits: int, count: int) -> Interval:
    """A proportion with Wilson's score interval (1927), good for small counts and for proportions near 0 or 1."""
    if count == 0:
        return Interval(float("nan"), 0.0, 1.0)
    p = hits / count
    centre = (p + Z * Z / (2 * count)) / (1 + Z * Z / count)
    half = Z / (1 + Z * Z / count) * np.sqrt(p * (1 - p) / count + Z * Z / (4 * count * count))
    return Interval(p, max(0.0, float(centre - half)), min(1.0, float(centre + half)))


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """One class: of the images called so, how many are (precision); of those that are, how many are called so."""

    name: str
    images: int
    precision: Interval
    recall: Interval


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures of one split of a data set. `calibration` is the expected calibration error, `loss` in nats.

    `confusion[i][j]` counts the images of class i that were called class j.
    """

    split: str
    images: int
    top1: Interval
    topk: Interval
    k: int
    calibration: Interval
    loss: Interval
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "split": self.split,
            "images": self.images,
            "top1": self.top1.to_json(),
            f"top{self.k}": self.topk.to_json(),
            "calibration_error": self.calibration.to_json(),
            "loss": self.loss.to_json(),
            "classes": {
                row.name: {"images": row.images, "precision": row.precision.to_json(), "recall": row.recall.to_json()}
                for row in self.classes
            },
            "confusion": [list(row) for row in self.confusion],
        }

    def __str__(self) -> str:
        lines = [f"{self.split} split, {self.images:,} images; 95% intervals in brackets"]
        if self.split == "train":
            lines.append("MEASURED ON TRAINING DATA: these figures do not say how the network does on new images")
        lines += [
            f"top-1 accuracy     {self.top1}",
            f"top-{self.k} accuracy     {self.topk}",
            f"calibration error  {self.calibration}",
            f"cross-entropy      {self.loss.value:.4f} ({self.loss.low:.4f} to {self.loss.high:.4f})",
            "",
        ]
        width = max(len("class"), *(len(row.name) for row in self.classes))
        lines.append(f"{'class':<{width}}  images  precision                  recall")
        lines += [f"{row.name:<{width}}  {row.images:>6}  {row.precision!s:<26} {row.recall!s}" for row in self.classes]
        return "\n".join(lines)


def measure(
    logits: NDArray[np.floating[Any]], labels: NDArray[np.int64], classes: tuple[str, ...], *, split: str, k: int = 5
) -> Metrics:
    """Metrics of logits (N, classes) against labels (N,). `k` is at most the number of classes.

    Proportions have Wilson's interval; calibration error and loss the percentiles of 1000 seeded bootstrap samples.
    Raises DataError when there is no image.
    """
    if len(labels) == 0:
        raise DataError(f"the {split} split has no image to measure on")
    k = min(k, len(classes))
    ranked = np.argsort(-logits, axis=1, kind="stable")
    hits = ranked[:, 0] == labels
    hits_k = (ranked[:, :k] == labels[:, None]).any(axis=1)
    log_probabilities = _log_softmax(logits.astype(np.float64))
    losses = -log_probabilities[np.arange(len(labels)), labels]
    confidence = np.exp(log_probabilities.max(axis=1))
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (labels, ranked[:, 0]), 1)
    return Metrics(
        split=split,
        images=len(labels),
        top1=wilson(int(hits.sum()), len(labels)),
        topk=wilson(int(hits_k.sum()), len(labels)),
        k=k,
        calibration=_bootstrap(lambda weights: _calibration_error(confidence, hits, weights), len(labels)),
        loss=_bootstrap(lambda weights: weights @ losses / len(losses), len(labels)),
        classes=tuple(
            ClassMetrics(
                name,
                int(confusion[i].sum()),
                wilson(int(confusion[i, i]), int(confusion[:, i].sum())),
                wilson(int(confusion[i, i]), int(confusion[i].sum())),
            )
            for i, name in enumerate(classes)
        ),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def _calibration_error(
    confidence: NDArray[np.float64], hits: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean gap between confidence and accuracy over 15 equal bins (Guo et al. 2017, eq. 3), for samples (S, N)."""
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gaps = np.zeros((len(confidence), BINS))
    gaps[np.arange(len(confidence)), bins] = confidence - hits
    result: NDArray[np.float64] = np.abs(weights @ gaps).sum(axis=1) / len(confidence)
    return result


def _bootstrap(
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]], count: int, batch: int = 50
) -> Interval:
    """Value and 2.5 and 97.5 percentiles. A sample is how often each image was drawn: a multinomial count."""
    value = float(statistic(np.ones((1, count)))[0])
    rng = np.random.default_rng(0)
    samples = []
    for _ in range(RESAMPLES // batch):
        drawn = rng.integers(0, count, (batch, count)) + np.arange(batch)[:, None] * count
        weights = np.bincount(drawn.ravel(), minlength=batch * count).reshape(batch, count).astype(np.float64)
        samples.append(statistic(weights))
    low, high = np.percentile(np.concatenate(samples), [2.5, 97.5])
    return Interval(value, float(low), float(high))


def summary(metrics: Mapping[str, Any]) -> str:
    """One line of a model file's metrics: split, images, top-1 with its interval."""
    if not metrics:
        return "not measured"
    top1 = metrics["top1"]
    return (
        f"{top1['value']:.2%} top-1 on {metrics['images']:,} {metrics['split']} images "
        f"(95% interval {top1['low']:.2%} to {top1['high']:.2%})"
    )
