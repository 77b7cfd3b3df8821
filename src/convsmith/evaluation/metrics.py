"""What is measured of a classifier: every figure with its 95% interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.cost.table import aligned
from convsmith.errors import DataError, WeightsError
from convsmith.evaluation.confusion import Confusion, most_confused

BINS = 15
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
"""Shares of the images, the surest first, that the accuracy is also given on."""

CURVE_POINTS = 100

SHOWN_PAIRS = 5
"""Of classes that are most often confused."""

RESAMPLES = 1000
BATCH = 50
"""Samples that are in memory at once."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A measured value and its 95% interval; NaN where there was nothing to measure."""

    value: float
    low: float
    high: float

    @property
    def complement(self) -> Interval:
        """Of a proportion, what is left of 1: of an accuracy the error."""
        return Interval(1 - self.value, 1 - self.high, 1 - self.low)

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "none"
        return f"{self.value:.2%} ({self.low:.2%} to {self.high:.2%})"

    def to_json(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


NOTHING = Interval(float("nan"), float("nan"), float("nan"))
"""Of no images."""


def wilson(hits: int, count: int) -> Interval:
    """A proportion with Wilson's score interval (1927), good for small counts and for proportions near 0 or 1."""
    if count == 0:
        return Interval(float("nan"), 0.0, 1.0)
    from scipy import stats  # type: ignore[import-untyped]  # half a second, for those who measure only

    found = stats.binomtest(hits, count)
    bounds = found.proportion_ci(method="wilson")
    return Interval(found.statistic, float(bounds.low), float(bounds.high))


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """One class. Precision: of the images predicted as it, how many are; recall: of its images, how many are found."""

    name: str
    images: int
    precision: Interval
    recall: Interval


@dataclass(frozen=True, slots=True)
class Bin:
    """The images of a range of confidence: how many, their mean confidence and their accuracy."""

    images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Covered:
    """The accuracy on the `share` of the images that the model is surest of, and the least `confidence` among them."""

    share: float
    accuracy: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures of one split of a data set. `calibration` is the expected calibration error, `loss` in nats.

    `confusion[i][j]` counts the images of class i that were called class j. `unreadable` files of the split are in
    none of the figures. `reliability` has the bins of confidence that hold images, in order (Guo et al. 2017, figure
    1); `coverage` the accuracy if only the surest answers count (El-Yaniv and Wiener 2010), at a few shares, and
    `risk_coverage` at as many as a curve takes. `aurc` is the area under the curve of the error, the risk: the mean of
    the errors on the surest image, on the two surest, and so on to all (Geifman et al. 2019, arXiv 1805.08206, section
    2).
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
    unreadable: int = 0
    reliability: tuple[Bin, ...] = ()
    coverage: tuple[Covered, ...] = ()
    risk_coverage: tuple[Covered, ...] = ()
    aurc: Interval = NOTHING

    @property
    def headline(self) -> str:
        """What was measured, and what was left out of it."""
        images = "1 image" if self.images == 1 else f"{self.images:,} images"
        return f"{self.split} split, {images}{left_out(self.unreadable)}; 95% intervals in brackets"

    def to_json(self) -> dict[str, Any]:
        return {
            "split": self.split,
            "images": self.images,
            "unreadable": self.unreadable,
            "top1": self.top1.to_json(),
            "top1_error": self.top1.complement.to_json(),
            f"top{self.k}": self.topk.to_json(),
            f"top{self.k}_error": self.topk.complement.to_json(),
            "calibration_error": self.calibration.to_json(),
            "loss": self.loss.to_json(),
            "classes": {
                row.name: {"images": row.images, "precision": row.precision.to_json(), "recall": row.recall.to_json()}
                for row in self.classes
            },
            "confusion": [list(row) for row in self.confusion],
            "reliability": [asdict(one) for one in self.reliability],
            "coverage": [asdict(one) for one in self.coverage],
            "aurc": self.aurc.to_json(),
        }

    def __str__(self) -> str:
        lines = [self.headline]
        if self.split == "train":
            lines.append("MEASURED ON TRAINING DATA: these figures do not show how well the network does on new images")
        lines += [
            f"top-1 accuracy     {self.top1}, error {self.top1.complement.value:.2%}",
            f"top-{self.k} accuracy     {self.topk}, error {self.topk.complement.value:.2%}",
            f"calibration error  {self.calibration}",
            f"cross-entropy      {self.loss.value:.4f} ({self.loss.low:.4f} to {self.loss.high:.4f})",
            f"AURC               {self.aurc.value:.4f} ({self.aurc.low:.4f} to {self.aurc.high:.4f})",
            *self._covered(),
            "",
        ]
        rows = [(row.name, f"{row.images:,}", str(row.precision), str(row.recall)) for row in self.classes]
        lines.append(aligned(("class", "images", "precision", "recall"), rows, "lrll"))
        confused = most_confused(self.pairs, [row.name for row in self.classes])[:SHOWN_PAIRS]
        if confused:
            told = ", ".join(f"{name} called {called} ({count:,})" for count, name, called in confused)
            lines += ["", f"most often confused: {told}"]
        return "\n".join(lines)

    @property
    def pairs(self) -> Confusion:
        """The pairs of class and predicted class that occur."""
        return {(i, j): count for i, row in enumerate(self.confusion) for j, count in enumerate(row) if count}

    def _covered(self) -> list[str]:
        told = ", ".join(f"{one.accuracy:.2%} on the surest {one.share:.0%}" for one in self.coverage if one.share < 1)
        return [f"if sure            {told}"] if told else []


def measure(
    logits: NDArray[np.floating[Any]],
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
    *,
    split: str,
    k: int = 5,
    unreadable: int = 0,
) -> Metrics:
    """Metrics of logits (N, classes) against labels (N,). `k` is at most the number of classes.

    Proportions have Wilson's interval, calibration error and loss the percentiles of 1000 seeded bootstrap samples.
    Raises DataError when there is no image, WeightsError where answers are no finite numbers.
    """
    if len(labels) == 0:
        raise DataError(f"the {split} split has no image to measure on")
    spoiled = int((~np.isfinite(logits).all(axis=1)).sum())
    if spoiled:
        raise WeightsError(
            f"the network's answers to {spoiled:,} of {len(labels):,} images of the {split} split are not finite "
            "numbers: its weights are spoiled, as by a training that diverged"
        )
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
        unreadable=unreadable,
        reliability=_reliability(confidence, hits),
        coverage=_coverage(confidence, hits, COVERAGES),
        risk_coverage=_coverage(confidence, hits, np.arange(1, CURVE_POINTS + 1) / CURVE_POINTS),
        aurc=_aurc(confidence, hits),
    )


def _reliability(confidence: NDArray[np.float64], hits: NDArray[np.bool_]) -> tuple[Bin, ...]:
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    return tuple(
        Bin(int(own.sum()), float(confidence[own].mean()), float(hits[own].mean()))
        for place in range(BINS)
        if (own := bins == place).any()
    )


def _coverage(confidence: NDArray[np.float64], hits: NDArray[np.bool_], shares: Iterable[float]) -> tuple[Covered, ...]:
    order = np.argsort(-confidence, kind="stable")
    right, least = np.cumsum(hits[order]), confidence[order]
    counts = [(float(share), max(1, round(share * len(hits)))) for share in shares]
    return tuple(Covered(share, float(right[n - 1] / n), float(least[n - 1])) for share, n in counts)


def _aurc(confidence: NDArray[np.float64], hits: NDArray[np.bool_]) -> Interval:
    order = np.argsort(-confidence, kind="stable")
    wrong = (~hits[order]).astype(np.float64)

    def of_samples(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        drawn = weights[:, order]
        risk = np.cumsum(drawn * wrong, axis=1) / np.maximum(np.cumsum(drawn, axis=1), 1)
        areas: NDArray[np.float64] = np.einsum("sn,sn->s", drawn, risk) / len(hits)
        return areas

    return _bootstrap(of_samples, len(hits))


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


def _bootstrap(statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]], count: int) -> Interval:
    """Value and percentile interval of a statistic of samples, as weights (S, N): how often each image was drawn."""
    value = float(statistic(np.ones((1, count)))[0])
    if count == 1:  # every sample is the same
        return Interval(value, value, value)

    def of_samples(rows: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
        drawn = rows + np.arange(len(rows))[:, None] * count
        return statistic(np.bincount(drawn.ravel(), minlength=drawn.size).reshape(rows.shape).astype(np.float64))

    from scipy import stats

    bounds = stats.bootstrap(
        (np.arange(count),),
        of_samples,
        n_resamples=RESAMPLES,
        batch=BATCH,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(value, float(bounds.low), float(bounds.high))


def mean_of(values: NDArray[np.integer[Any]] | NDArray[np.floating[Any]]) -> Interval:
    """The mean of values (N,) with its bootstrap interval; NaN where there are none."""
    if not len(values):
        return NOTHING
    return _bootstrap(lambda weights: weights @ values / len(values), len(values))


def left_out(unreadable: int) -> str:
    """What is said right after a number of images that is not all of them; empty if it is."""
    return f" ({unreadable:,} unreadable left out)" if unreadable else ""


def summary(metrics: Mapping[str, Any]) -> str:
    """The metrics of a model file in one line: top-1 with its interval, images, split."""
    if not metrics:
        return "not measured"
    top1 = metrics["top1"]
    return (
        f"{top1['value']:.2%} top-1 on {metrics['images']:,} {metrics['split']} images "
        f"(95% interval {top1['low']:.2%} to {top1['high']:.2%})"
    )
