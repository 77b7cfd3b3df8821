"""How error falls with data and with filters: how large a network the data can feed."""

from __future__ import annotations

import math
import time

import numpy as np

from convsmith.design.evidence.probe import FILTERS, Answer, Probe, share
from convsmith.design.evidence.sample import FOLDS, Sample
from convsmith.design.evidence.values import CurvePoint, Learning
from convsmith.evaluation.metrics import Interval

SHARES = (0.125, 0.25, 0.5, 1.0)
RESAMPLES = 200
STEEPEST = 1.0
"""No curve is taken to fall faster than with the number of images itself."""


def learning_of(sample: Sample, probe: Probe) -> Learning:
    """Measured by a probe that has looked at the sample."""
    start = time.monotonic()
    taught = len(sample) * (FOLDS - 1) / FOLDS
    answers = [probe.answer if part == 1 else probe.after(part) for part in SHARES]
    counts = [max(1, round(part * taught)) for part in SHARES]
    slope, error = _extrapolated(answers, counts, sample.total)
    filters = tuple(FILTERS // 2**halvings for halvings in (3, 2, 1))
    return Learning(
        tuple(_point(count, answer) for count, answer in zip(counts, answers, strict=True)),
        (*(_point(count, probe.after(1.0, count)) for count in filters), _point(FILTERS, probe.answer)),
        slope,
        error,
        len(sample),
        time.monotonic() - start,
    )


def _point(count: int, answer: Answer) -> CurvePoint:
    return CurvePoint(count, share(~answer.right))


def _extrapolated(answers: list[Answer], counts: list[int], total: int) -> tuple[Interval, Interval]:
    """Slope, and error for `total` images, with 95% intervals by resampling the images that were asked about."""
    wrong = np.stack([~answer.right for answer in answers]).astype(float)
    generator = np.random.default_rng(0)
    found = [_fitted(wrong.mean(1), counts, total)]
    for _ in range(RESAMPLES):
        rows = generator.integers(0, wrong.shape[1], wrong.shape[1])
        found.append(_fitted(wrong[:, rows].mean(1), counts, total))
    values = np.array(found)
    low, high = np.quantile(values[1:], (0.025, 0.975), axis=0)
    return (
        Interval(float(values[0, 0]), float(low[0]), float(high[0])),
        Interval(float(values[0, 1]), float(low[1]), float(high[1])),
    )


def _fitted(errors: np.ndarray[tuple[int], np.dtype[np.float64]], counts: list[int], total: int) -> tuple[float, float]:
    """(b, error for `total`) of error = a * images^-b, fitted to the logarithms of the last three points."""
    logs = np.log(np.maximum(errors[-3:], 1e-3))
    slope = float(np.clip(-np.polyfit(np.log(counts[-3:]), logs, 1)[0], 0.0, STEEPEST))
    last = float(np.exp(logs.mean() + slope * (np.log(counts[-3:]).mean() - math.log(counts[-1]))))
    return slope, min(1.0, last * (counts[-1] / max(total, counts[-1])) ** slope)
