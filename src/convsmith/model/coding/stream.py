"""Several tensors of integers as one stream of 32-bit words, and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from convsmith.errors import WeightsError
from convsmith.model.coding.channel import Decoder, Encoder, Kind, Measure
from convsmith.model.coding.tables import Tables
from convsmith.model.coding.tensor import Weights, as_matrix, code

LARGEST = 2**17
"""What an integer may be, either side of 0: its size less 1 must have a token."""


class Writer:
    """Codes tensors one after another; all share what was learned from those before."""

    def __init__(self) -> None:
        self._encoder, self._tables = Encoder(), Tables()

    def add(self, integers: Weights) -> None:
        """Codes a tensor of any shape. Raises WeightsError for integers that are too large."""
        if integers.size and max(int(integers.max()), -int(integers.min())) > LARGEST:
            raise WeightsError(f"integers beyond {LARGEST:,} cannot be coded")
        code(self._encoder, self._tables, integers.reshape(as_matrix(integers.shape)), given=True)

    def words(self) -> NDArray[np.uint32]:
        """The stream so far."""
        return self._encoder.words()


class Reader:
    """Reads the tensors back, in their order."""

    def __init__(self, words: NDArray[np.uint32]) -> None:
        self._decoder, self._tables = Decoder(words), Tables()

    def next(self, shape: tuple[int, ...], *, wide: bool) -> Weights:
        """The next tensor, int16, or int32 if `wide`. Raises WeightsError for a stream that no writer wrote."""
        found: Weights = np.zeros(as_matrix(shape), np.int32 if wide else np.int16)
        code(self._decoder, self._tables, found, given=False)
        return found.reshape(shape)

    def measure(self, shape: tuple[int, ...]) -> Counter[Kind]:
        """Reads the next tensor, and returns what it took, in bits by kind of symbol."""
        measure = Measure(self._decoder)
        code(measure, self._tables, np.zeros(as_matrix(shape), np.int32), given=False)
        return measure.bits


def coded_bytes(tensors: Iterable[Weights]) -> int:
    """What a stream of these tensors takes."""
    writer = Writer()
    for integers in tensors:
        writer.add(integers)
    return writer.words().nbytes
