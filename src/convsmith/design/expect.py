"""Which accuracy is to be expected of a network before it is trained."""

from __future__ import annotations

import math

from convsmith.design.evidence.values import Evidence
from convsmith.evaluation.metrics import Interval

OFFSET, SLOPE = -0.16, -0.11
"""Of log10(network's error / probe's error) = OFFSET + SLOPE * log10(MACs / 10 M): the line that fits 18 pairs of data
and limit (`benchmarks/expected_accuracy.py`)."""

FACTOR = 3.0
"""By which the network's error may be smaller or larger than that: the interval then holds in 13 of those 18."""


def expected_accuracy(evidence: Evidence, macs: int, params: int) -> Interval:
    """The accuracy to be expected on images like these, with a rough interval.

    A probe's learning curve gives the error with all images; a trained network of so many multiply-adds has a part of
    it. Where no curve was measured, all is possible between guessing and being right.
    """
    chance = 1 / evidence.basics.classes
    if evidence.learning is None:
        return Interval((1 + chance) / 2, chance, 1.0)
    curve = evidence.learning.error
    ratio = 10 ** (OFFSET + SLOPE * math.log10(max(macs, 1) / 1e7))
    error = min(1 - chance, curve.value * ratio)
    low = min(curve.low * ratio, error) / FACTOR
    high = max(curve.high * ratio, error) * FACTOR
    return Interval(1 - error, max(chance, 1 - high), 1 - low)
