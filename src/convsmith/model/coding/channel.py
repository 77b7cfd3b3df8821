"""The two ends of a stream: symbols in, 32-bit words out, and back. The range coder is constriction's.

Both ends have the same methods, so that a tensor's order and contexts are written once (`tensor.py`): an encoder takes
the symbols it is given, a decoder ignores them and returns those that it finds.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal, Protocol

import constriction  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from convsmith.errors import WeightsError

Kind = Literal["zero flags", "sizes", "signs", "extra bits"]
"""What a symbol says of a weight: whether it is zero, how large it is, its sign, the low bits of a large one."""

Symbols = NDArray[np.int32]
Counts = NDArray[np.int64]

FLAG_BITS = 12
"""The precision of a flag's probability, so that the product of four is exact."""
FLAGS_AT_ONCE = 4
_PLACES = np.arange(FLAGS_AT_ONCE, dtype=np.int32)
_BITS = (np.arange(2**FLAGS_AT_ONCE)[:, None] >> _PLACES) & 1


class Channel(Protocol):
    """One end of a stream. Each method codes symbols that are independent and alike, and returns them."""

    def symbols(self, kind: Kind, counts: Counts, number: int, given: Symbols | None) -> Symbols:
        """`number` symbols, each as likely as its count."""
        ...

    def uniform(self, bits: int, number: int, given: Symbols | None) -> Symbols:
        """`number` integers of so many bits, all equally likely."""
        ...


class Encoder:
    """Takes symbols."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def symbols(self, kind: Kind, counts: Counts, number: int, given: Symbols | None) -> Symbols:
        assert given is not None
        self._coder.encode(given, _model(counts))
        return given

    def uniform(self, bits: int, number: int, given: Symbols | None) -> Symbols:
        assert given is not None
        self._coder.encode(given, constriction.stream.model.Uniform(1 << bits))
        return given

    def words(self) -> NDArray[np.uint32]:
        """The stream."""
        found: NDArray[np.uint32] = self._coder.get_compressed()
        return found


class Decoder:
    """Gives symbols. Raises WeightsError for words that no encoder wrote, where it can tell."""

    def __init__(self, words: NDArray[np.uint32]) -> None:
        self._coder = constriction.stream.queue.RangeDecoder(words)

    def symbols(self, kind: Kind, counts: Counts, number: int, given: Symbols | None) -> Symbols:
        return self._decoded(_model(counts), number)

    def uniform(self, bits: int, number: int, given: Symbols | None) -> Symbols:
        return self._decoded(constriction.stream.model.Uniform(1 << bits), number)

    def _decoded(self, model: Any, number: int) -> Symbols:
        try:
            found: Symbols = self._coder.decode(model, number)
        except (AssertionError, ValueError) as error:
            raise WeightsError(f"a coded stream that no encoder wrote ({error})") from None
        return found


class Measure:
    """A channel in front of another that adds up what each kind of symbol takes, in bits."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.bits: Counter[Kind] = Counter()

    def symbols(self, kind: Kind, counts: Counts, number: int, given: Symbols | None) -> Symbols:
        found = self._channel.symbols(kind, counts, number, given)
        worth = np.log2(counts.sum()) - np.log2(counts)
        self.bits[kind] += float(worth @ np.bincount(found, minlength=len(counts)))  # type: ignore[assignment]
        return found

    def uniform(self, bits: int, number: int, given: Symbols | None) -> Symbols:
        self.bits["extra bits"] += bits * number
        return self._channel.uniform(bits, number, given)


def flags(channel: Channel, kind: Kind, counts: Counts, number: int, given: Symbols | None) -> Symbols:
    """`number` flags of 0 and 1, each as likely as its count: four in one symbol, and what remains one by one."""
    zeros, ones = counts.tolist()
    one = min(max((ones << FLAG_BITS) // (zeros + ones), 1), (1 << FLAG_BITS) - 1)
    single = np.array([(1 << FLAG_BITS) - one, one])
    whole = number // FLAGS_AT_ONCE
    found = np.empty(number, np.int32)
    if whole:
        joint = single[_BITS].prod(axis=1)
        together = None
        if given is not None:
            rows = given[: whole * FLAGS_AT_ONCE].reshape(whole, FLAGS_AT_ONCE)
            together = (rows << _PLACES).sum(axis=1, dtype=np.int32)
        read = channel.symbols(kind, joint, whole, together)
        found[: whole * FLAGS_AT_ONCE] = ((read[:, None] >> _PLACES) & 1).reshape(-1)
    if number % FLAGS_AT_ONCE:
        rest = None if given is None else given[whole * FLAGS_AT_ONCE :]
        found[whole * FLAGS_AT_ONCE :] = channel.symbols(kind, single, number % FLAGS_AT_ONCE, rest)
    return found


def _model(counts: Counts) -> Any:
    return constriction.stream.model.Categorical(counts.astype(np.float64), perfect=False)
