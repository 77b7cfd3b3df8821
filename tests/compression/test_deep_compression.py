"""Deep Compression's sizes, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from convsmith.compression.deep_compression import deep_size, huffman_bits


@pytest.mark.parametrize(
    ("seen", "bits"), [([], 0), ([7], 7), ([1, 1], 2), ([4, 2, 1, 1], 4 * 1 + 2 * 2 + 3 + 3), ([5, 0, 5], 10)]
)
def test_huffman_codes_have_their_known_lengths(seen, bits):
    assert huffman_bits(np.array(seen, int)) == bits


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=40))
def test_huffman_is_within_a_bit_a_symbol_of_the_entropy(seen):
    counts = np.array(seen)
    entropy = float((counts * np.log2(counts.sum() / counts)).sum())
    assert entropy - 1e-6 <= huffman_bits(counts) <= entropy + counts.sum()


def test_the_papers_example_needs_one_filler():
    """Figure 2: weights at 1, 4 and 15, gaps of 3 bits, so that from 4 to 15 a zero is kept at 12."""
    codes = np.zeros(16, int)
    codes[[1, 4, 15]] = [3, 1, 2]
    found = deep_size(codes, 3)
    assert found.entries == 4
    assert found.codebook == 12
    assert found.before_huffman == -(-4 * (2 + 3) // 8)


@given(st.integers(1, 6), st.integers(0, 100))
@settings(deadline=None)
def test_fillers_are_those_of_walking_along(gap_bits, seed):
    codes = (np.random.default_rng(seed).random(500) < 0.05).astype(int)
    entries, last = 0, -1
    for place in np.flatnonzero(codes):
        while place - last > 1 << gap_bits:
            last += 1 << gap_bits
            entries += 1
        entries, last = entries + 1, place
    assert deep_size(codes, gap_bits).entries == entries
