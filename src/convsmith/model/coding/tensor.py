"""One tensor of integers, tile by tile: the order, the contexts and the symbols, for coding and decoding alike."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convsmith.model.coding.channel import Channel, Counts, Kind, Symbols, flags
from convsmith.model.coding.statistics import (
    COLUMN,
    KERNEL,
    ROW,
    TAP,
    Doubt,
    Labels,
    Seen,
    Whole,
    density_classes,
    size_classes,
)
from convsmith.model.coding.tables import CLASSES, TOKENS, Tables, note, token_ranges, tokens

SMALLEST_TILE_BITS, MOST_HALVINGS = 8, 5
"""The first tile has at least about 2^7 weights, and at least a 32nd of the rows and columns."""
LONGEST_SIDE = 256
"""Of a tile, so that what is held of it beside the weights is little."""
MOST_HINTED = 2**20
"""Weights of a tensor whose signs are coded by context. It saves 0.2% and takes 20% of the time."""
NO_HINT = 4
"""The class of a sign of which nothing is known."""
_SMALLEST, _WIDTH = token_ranges()

Weights: TypeAlias = NDArray[np.signedinteger[Any]]
"""int16, or int32 where that is too narrow."""


def as_matrix(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Rows, columns and taps: output channels, input channels, places in the kernel. A vector is one row."""
    if len(shape) < 2:
        return 1, prod(shape), 1
    return shape[0], shape[1], prod(shape[2:])


def code(channel: Channel, tables: Tables, weights: Weights, given: bool) -> None:
    """Codes the integers of `weights` (rows, columns, taps), or if none are given, reads them into it."""
    if not weights.size:
        return
    tables.start_tensor()
    tensor = _Tensor(weights.shape)
    for tap in range(weights.shape[2]):
        tensor.start_tap()
        for where in tiles(weights.shape[0], weights.shape[1], tap):
            part = weights[(*where, tap)]
            found = tensor.tile(channel, tables, where, part if given else None)
            if not given:
                part[...] = found


def tiles(rows: int, columns: int, tap: int) -> Iterator[tuple[slice, slice]]:
    """The tiles of one tap, row of tiles by row of tiles: slices of rows and columns.

    Those of the first tap are small at first, to know something of rows and columns early. Later taps know them all.
    """
    halvings = 0 if tap else min(max(((rows * columns).bit_length() - SMALLEST_TILE_BITS) // 2, 0), MOST_HALVINGS)
    for high in cuts(rows, halvings):
        for wide in cuts(columns, halvings):
            yield high, wide


def cuts(size: int, halvings: int) -> list[slice]:
    """A range cut at its half, quarter, eighth..., and then into pieces of no more than `LONGEST_SIDE`."""
    ends = sorted({(size + (1 << shift) - 1) >> shift for shift in range(halvings + 1)})
    pieces = []
    start = 0
    for end in ends:
        pieces += [slice(at, min(at + LONGEST_SIDE, end)) for at in range(start, end, LONGEST_SIDE)]
        start = end
    return pieces


class _Tensor:
    """What has been seen of a tensor."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        rows, columns, taps = shape
        self.whole, self.tap = Whole(), Seen.nothing(1, 1)
        self.rows, self.columns = Seen.nothing(rows, 1), Seen.nothing(1, columns)
        self.kernels = Seen.nothing(rows, columns) if taps > 1 else None
        self.hints: tuple[NDArray[np.int32], NDArray[np.int8]] | None = None
        if taps > 1 and rows * columns * taps < MOST_HINTED:
            self.hints = np.zeros((rows, columns), np.int32), np.zeros((rows, columns), np.int8)

    def start_tap(self) -> None:
        self.tap = Seen.nothing(1, 1)

    def tile(
        self, channel: Channel, tables: Tables, where: tuple[slice, slice], given: Weights | None
    ) -> NDArray[np.int32]:
        """Codes one tile, or reads it, and returns it."""
        shape = (where[0].stop - where[0].start, where[1].stop - where[1].start)
        units = self._units(where)
        classes = np.broadcast_to(density_classes(self.whole, units), shape).reshape(-1)
        flat = None if given is None else given.reshape(-1).astype(np.int32)
        flags_given = None if flat is None else (flat != 0).astype(np.int32)
        nonzero = _by_class(channel, "zero flags", tables.zero, classes, flags_given)
        places = np.flatnonzero(nonzero)
        chosen = None if flat is None else flat[places]
        classes = np.broadcast_to(size_classes(self.whole, units), shape).reshape(-1)[places]
        sizes = _sizes(channel, tables, classes, None if chosen is None else np.abs(chosen) - 1)
        signs = self._signs(channel, tables, where, places, None if chosen is None else (chosen > 0).astype(np.int32))
        found = np.zeros(shape, np.int32)
        found.reshape(-1)[places] = np.where(signs == 1, sizes + 1, -sizes - 1)
        self._note(where, found)
        return found

    def _units(self, where: tuple[slice, slice]) -> list[tuple[Seen, Doubt]]:
        everything = slice(None)
        units = [
            (self.rows.part((where[0], everything)), ROW),
            (self.columns.part((everything, where[1])), COLUMN),
        ]
        if self.kernels is not None:
            units += [(self.kernels.part(where), KERNEL), (self.tap, TAP)]
        return units

    def _signs(
        self,
        channel: Channel,
        tables: Tables,
        where: tuple[slice, slice],
        places: NDArray[np.intp],
        given: Symbols | None,
    ) -> Symbols:
        """By the sign of the kernel's sum so far, and of the weight at the tap before."""
        classes = np.full(len(places), NO_HINT, np.uint8)
        if self.hints is not None:
            sums, before = (hint[where].reshape(-1)[places] for hint in self.hints)
            classes = (3 * (np.sign(sums) + 1) + before + 1).astype(np.uint8)
        return _by_class(channel, "signs", tables.sign, classes, given)

    def _note(self, where: tuple[slice, slice], found: NDArray[np.int32]) -> None:
        nonzero = found != 0
        excess = np.abs(found) - nonzero
        ones, over = int(nonzero.sum()), int(excess.sum(dtype=np.int64))
        everything = slice(None)
        rows, columns = self.rows.part((where[0], everything)), self.columns.part((everything, where[1]))
        high, wide = found.shape
        rows.add(wide, nonzero.sum(axis=1, keepdims=True), excess.sum(axis=1, keepdims=True, dtype=np.int64))
        columns.add(high, nonzero.sum(axis=0, keepdims=True), excess.sum(axis=0, keepdims=True, dtype=np.int64))
        self.whole.add(found.size, ones, over)
        if self.kernels is not None:
            self.kernels.part(where).add(1, nonzero, excess)
            self.tap.add(found.size, np.array([[ones]]), np.array([[over]]))
        if self.hints is not None:
            self.hints[0][where] += found
            self.hints[1][where] = np.sign(found)


def _by_class(channel: Channel, kind: Kind, table: Counts, classes: Labels, given: Symbols | None) -> Symbols:
    """Flags, those of a class together and class by class. The table is told."""
    found = np.empty(len(classes), np.int32)
    for label, number, places in _grouped(classes):
        ours = None if given is None else given[places]
        read = flags(channel, kind, table[label], number, ours)
        ones = np.count_nonzero(read)
        note(table[label], np.array([number - ones, ones]))
        found[places] = read
    return found


def _sizes(channel: Channel, tables: Tables, classes: Labels, given: Symbols | None) -> Symbols:
    """Sizes less 1: the tokens of each class together, class by class, and then the extra bits by their number."""
    token, width, extra = (None, None, None) if given is None else tokens(given.astype(np.int64))
    found = np.empty(len(classes), np.int32)
    for label, number, places in _grouped(classes):
        ours = None if token is None else token[places]
        read = channel.symbols("sizes", tables.size[label], number, ours)
        note(tables.size[label], np.bincount(read, minlength=TOKENS))
        found[places] = read
    width = _WIDTH[found]
    found = _SMALLEST[found].astype(np.int32)
    for bits in range(1, int(width.max(initial=0)) + 1):
        places = np.flatnonzero(width == bits)
        if len(places):
            found[places] += channel.uniform(bits, len(places), None if extra is None else extra[places])
    return found


def _grouped(classes: Labels) -> Iterator[tuple[int, int, NDArray[np.intp] | slice]]:
    """Each class that occurs, in ascending order, how often, and where, in order."""
    numbers = np.bincount(classes, minlength=CLASSES)
    present = np.flatnonzero(numbers)
    if len(present) == 1:
        yield int(present[0]), len(classes), slice(None)
        return
    order = np.argsort(classes, kind="stable")
    start = 0
    for label in present.tolist():
        stop = start + int(numbers[label])
        yield label, stop - start, order[start:stop]
        start = stop
