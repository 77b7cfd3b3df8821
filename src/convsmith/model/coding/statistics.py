"""What has been coded of a tensor so far, and what it says of the weights to come. In integers throughout.

A weight's row (output channel), column (input channel), kernel (both) and tap (place in the kernel) are four reasons to
be zero or large. Each is compared with the tensor as a whole, on a logarithmic scale; the sum is the prediction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convsmith.model.coding.tables import CLASSES, DENSITY_CENTRE, SIZE_CENTRE

Integers: TypeAlias = NDArray[np.integer[Any]]
Labels: TypeAlias = NDArray[np.uint8]

OCTAVE = 32
"""Units of `log2` in a factor of two."""
PROBABILITY_BITS, MEAN_BITS = 16, 12
CLASS_UNITS_SHIFT = 4
CLASS_UNITS = 1 << CLASS_UNITS_SHIFT
"""The width of a class, in units of `log2`: half an octave."""
TRUST_NUMERATOR, TRUST_SHIFT = 13, 4
"""How much of a deviation counts, 13/16: row and column are not quite independent."""
_MANTISSA = np.rint(OCTAVE * np.log2(1 + np.arange(128) / 128)).astype(np.int64)


@dataclass(frozen=True)
class Doubt:
    """How many weights like the tensor's mean are added to what was seen: zero or not, and sizes."""

    density: int
    size: int


ROW = COLUMN = Doubt(12, 4)
KERNEL = Doubt(3, 1)
TAP = Doubt(30, 8)


def log2(values: Integers) -> Integers:
    """32 times the logarithm of integers from 1 to 2^53, by their top 8 bits."""
    mantissa, exponent = np.frexp(values.astype(np.float64))
    found: Integers = OCTAVE * (exponent.astype(np.int64) - 1) + _MANTISSA[(mantissa * 256).astype(np.int64) - 128]
    return found


@dataclass
class Seen:
    """Of each unit, how many weights were coded, how many are not zero, and by how much those exceed 1 altogether."""

    coded: Integers
    nonzero: Integers
    excess: Integers

    @classmethod
    def nothing(cls, *shape: int) -> Seen:
        return cls(*(np.zeros(shape, np.int64) for _ in range(3)))

    def part(self, where: tuple[slice, slice]) -> Seen:
        return Seen(self.coded[where], self.nonzero[where], self.excess[where])

    def add(self, coded: int, nonzero: Integers, excess: Integers) -> None:
        self.coded += coded
        self.nonzero += nonzero
        self.excess += excess


class Whole:
    """The tensor's own density and mean excess, which start at one half and at 1."""

    def __init__(self) -> None:
        self.coded, self.nonzero, self.excess = 2, 1, 1

    def add(self, coded: int, nonzero: int, excess: int) -> None:
        self.coded += coded
        self.nonzero += nonzero
        self.excess += excess

    @property
    def density(self) -> int:
        """Out of 2^16."""
        one = 1 << PROBABILITY_BITS
        return min(max((self.nonzero << PROBABILITY_BITS) // self.coded, 1), one - 1)

    @property
    def mean(self) -> int:
        """Of the excess of a weight that is not zero, in 1/4096."""
        return max((self.excess << MEAN_BITS) // self.nonzero, 1)


def density_classes(whole: Whole, units: list[tuple[Seen, Doubt]]) -> Labels:
    """The class of each weight by the odds that it is not zero."""
    one, density = 1 << PROBABILITY_BITS, whole.density
    usual = _log2_of(density) - _log2_of(one - density)
    total: Integers = np.full((1, 1), usual, np.int16)
    for seen, doubt in units:
        odds = _each(seen.nonzero, _plus(doubt.density * density, PROBABILITY_BITS))
        odds = odds - _each(seen.coded - seen.nonzero, _plus(doubt.density * (one - density), PROBABILITY_BITS))
        total = total + _trusted(odds - usual)
    return _labels(total, DENSITY_CENTRE)


def size_classes(whole: Whole, units: list[tuple[Seen, Doubt]]) -> Labels:
    """The class of each weight by the mean that its excess would have, were it not zero."""
    usual = _log2_of(whole.mean)
    total: Integers = np.full((1, 1), usual - OCTAVE * MEAN_BITS, np.int16)
    for seen, doubt in units:
        mean = _each(seen.excess, _plus(doubt.size * whole.mean, MEAN_BITS)) - _each(seen.nonzero, _plus(doubt.size, 0))
        total = total + _trusted(mean - usual)
    return _labels(total, SIZE_CENTRE)


def _plus(more: int, bits: int) -> Callable[[Integers], Integers]:
    """The logarithm of what was seen, in units of 2^-bits, and some more."""
    return lambda seen: log2((seen << bits) + more)


def _each(values: Integers, function: Callable[[Integers], Integers]) -> Integers:
    """The function of each value; of few different values, looked up."""
    if values.size > 64 and (largest := int(values.max())) < values.size // 2:
        found: Integers = function(np.arange(largest + 1)).astype(np.int16)[values]
        return found
    return function(values).astype(np.int16)


def _trusted(deviation: Integers) -> Integers:
    """13/16 of it, rounded down."""
    found: Integers = (TRUST_NUMERATOR * deviation) >> TRUST_SHIFT
    return found


def _labels(score: Integers, centre: int) -> Labels:
    """The class that a score is nearest to."""
    found = (score + np.int16(CLASS_UNITS * centre + CLASS_UNITS // 2)) >> CLASS_UNITS_SHIFT
    labels: Labels = np.minimum(np.maximum(found, 0), CLASSES - 1).astype(np.uint8)
    return labels


def _log2_of(value: int) -> int:
    exponent = value.bit_length() - 1
    return OCTAVE * exponent + int(_MANTISSA[((value << 7) >> exponent) - 128])
