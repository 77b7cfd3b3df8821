"""What Deep Compression's own format takes, as a baseline beside ours (Han et al. 2016, arXiv 1510.00149).

Weights that are not zero are kept one after another: an index into the layer's shared values, and how far it is from
the one before; both Huffman coded, layer by layer. Nothing is written: these are sizes.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONV_GAP_BITS, DENSE_GAP_BITS = 8, 5
"""Of a relative index in convolutions and in dense layers (section 2)."""
LENGTH_BYTES = 1
"""Of each symbol's code length in a Huffman table."""


@dataclass(frozen=True)
class DeepSize:
    """Bytes of one layer: shared values, Huffman tables, and the coded values and gaps.

    `before_huffman` is what values and gaps take in plain bits; `entries` are the weights kept, fillers included.
    """

    entries: int
    codebook: int
    tables: int
    values: int
    gaps: int
    before_huffman: int

    @property
    def bytes(self) -> int:
        return self.codebook + self.tables + self.values + self.gaps


def deep_size(codes: NDArray[np.integer], gap_bits: int) -> DeepSize:
    """Of a layer whose weights are integers, 0 for zero and any other for a shared value.

    A gap of more than 2^gap_bits is bridged by fillers, zeros that are kept as if they were weights (figure 2).
    """
    flat = codes.reshape(-1)
    places = np.flatnonzero(flat)
    gaps = np.diff(places, prepend=-1)
    longest = 1 << gap_bits
    fillers = int(((gaps - 1) // longest).sum())
    gaps_seen = np.bincount((gaps - 1) % longest, minlength=longest)
    gaps_seen[longest - 1] += fillers
    values, values_seen = np.unique(flat[places], return_counts=True)
    with_fillers = np.append(values_seen, fillers) if fillers else values_seen
    value_bits = max(1, int(len(with_fillers) - 1).bit_length())
    entries = len(places) + fillers
    return DeepSize(
        entries=entries,
        codebook=4 * len(values),
        tables=LENGTH_BYTES * (len(with_fillers) + longest),
        values=-(-huffman_bits(with_fillers) // 8),
        gaps=-(-huffman_bits(gaps_seen) // 8),
        before_huffman=-(-entries * (value_bits + gap_bits) // 8),
    )


def huffman_bits(seen: NDArray[np.integer]) -> int:
    """What symbols take in a Huffman code made for them, in bits, without its table."""
    heap = [int(count) for count in seen if count]
    if len(heap) == 1:
        return heap[0]
    heapq.heapify(heap)
    total = 0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        total += merged
        heapq.heappush(heap, merged)
    return total
