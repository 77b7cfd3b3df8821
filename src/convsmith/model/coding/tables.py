"""The adaptive tables: how often each symbol was seen in each class, counted from a prior."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convsmith.model.coding.channel import Counts

CLASSES = 40
"""Of predicted density, and of predicted size."""
TOKENS = 72
"""Of sizes: 0 to 15 as they are, then four for each octave, up to 2^18."""
PLAIN_TOKENS = 16
SEEN = 256
"""What one symbol adds to its count; the prior is in finer units."""
START_LIMIT = 400 * SEEN
"""What a class's counts may sum to at the start of a tensor: what was seen in others is only a hint."""
LIMIT = 2**24

STEP = 0.5
"""The width of a class in octaves: of the odds of not being zero, of the mean size."""
DENSITY_CENTRE, SIZE_CENTRE = 20, 8
"""The class of even odds, and the class of a mean of 1."""


class Tables:
    """Counts by class, for zero flags (0: is zero), tokens of sizes, and signs (0: negative)."""

    def __init__(self) -> None:
        self.zero = _density_prior()
        self.size = _size_prior()
        self.sign = np.full((9, 2), 2 * SEEN, np.int64)

    def start_tensor(self) -> None:
        """Halves what was counted in other tensors, rounding up, until it weighs little."""
        for table in (self.zero, self.size, self.sign):
            while (large := table.sum(axis=1) > START_LIMIT).any():
                table[large] = (table[large] + 1) >> 1


def note(row: Counts, seen: NDArray[np.int64]) -> None:
    """Adds symbols to a class's counts, given how many there were of each."""
    row += SEEN * seen
    while row.sum() > LIMIT:
        row += 1
        row >>= 1


def tokens(sizes: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """The token of each size, how many extra bits it has, and their value."""
    large = sizes >= PLAIN_TOKENS
    if not large.any():
        nothing = np.zeros(sizes.shape, np.int32)
        return sizes.astype(np.int32), nothing, nothing
    exponent = np.frexp(np.maximum(sizes, PLAIN_TOKENS).astype(np.float64))[1].astype(np.int64) - 1
    width = np.where(large, exponent - 2, 0)
    token = np.where(large, PLAIN_TOKENS + 4 * (exponent - 4) + ((sizes >> width) & 3), sizes)
    return token.astype(np.int32), width.astype(np.int32), (sizes & ((1 << width) - 1)).astype(np.int32)


def token_ranges() -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The smallest size of each token, int64 (TOKENS,), and its extra bits, int32 (TOKENS,)."""
    octave, quarter = np.divmod(np.arange(TOKENS) - PLAIN_TOKENS, 4)
    large = np.arange(TOKENS) >= PLAIN_TOKENS
    width = np.where(large, octave + 2, 0)
    return np.where(large, (4 + quarter) << width, np.arange(TOKENS)), width.astype(np.int32)


def _density_prior() -> Counts:
    """Four observations for each class, at its odds."""
    odds = 2.0 ** (STEP * (np.arange(CLASSES) - DENSITY_CENTRE))
    nonzero = np.rint(4 * SEEN * odds / (1 + odds)).astype(np.int64)
    return np.stack([4 * SEEN - nonzero + 1, nonzero + 1], axis=1)


def _size_prior() -> Counts:
    """Sixteen observations of a geometric distribution for each class, of the class's mean."""
    mean = 2.0 ** (STEP * (np.arange(CLASSES) - SIZE_CENTRE))
    ratio = (mean / (1 + mean))[:, None]
    smallest, width = token_ranges()
    likely = ratio**smallest * (1 - ratio ** (1 << width.astype(np.int64)))
    counts: Counts = np.rint(16 * SEEN * likely).astype(np.int64) + 1
    return counts
