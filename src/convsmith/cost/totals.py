"""Totals of many candidates in one pass: sizes are arrays, and so is how often a part of the network is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from convsmith.cost.cost import LayerCost, rows_of
from convsmith.errors import UsageError
from convsmith.network.dims import Dim, elements
from convsmith.network.network import Network


class Totals(NamedTuple):
    """The totals of `Cost`, without its layers: ints, or arrays with one entry for each candidate."""

    params: Dim = 0
    buffers: Dim = 0
    macs: Dim = 0
    flops: Dim = 0
    activations: Dim = 0
    stored_bytes: Dim = 0


def totals_of(net: Network, times: Mapping[str, Dim] | None = None) -> Totals:
    """The totals of a network; with NumPy arrays as sizes in it, of each candidate.

    `times` says how often a part is there: the name of a layer, or a scope ("stage2.1", which holds "stage2.1.conv1"),
    and an int or an array. A part that is there n times costs n times as much, which is exact where each repetition has
    inputs of the same shape, as blocks that keep their shape have; 0 leaves it out. A part within a part is there as
    often as both say. What is not named is there once.

    Raises UsageError for a part that the network does not have and for an op that has no rule, ShapeError where layers
    do not fit.
    """
    times = times or {}
    total: list[Dim] = [0] * len(Totals._fields)
    met: set[str] = set()
    for row in rows_of(net):
        parts = [part for part in _parts(row.name) if part in times] if times else []
        count: Dim = 1
        for part in parts:
            count = count * times[part]
        met.update(parts)
        for place, figure in enumerate(_figures(row)):
            if not (isinstance(figure, int) and figure == 0):  # adding 0 to an array takes as long as any other sum
                total[place] = total[place] + (count * figure if parts else figure)
    for part in times:
        if part not in met:
            raise UsageError(f"{net.name} has no layer or scope {part!r}")
    return Totals(*total)


def _figures(row: LayerCost) -> tuple[Dim, ...]:
    """A layer's part of each total."""
    run = row.inference
    outputs = elements(row.output) if run and row.weights_dominate else 0
    return row.params, row.buffers, row.macs if run else 0, row.flops if run else 0, outputs, row.stored


def _parts(name: str) -> list[str]:
    """Every scope that a layer is in, and itself: "a", "a.b" and "a.b.c" of "a.b.c"."""
    words = name.split(".")
    return [".".join(words[: i + 1]) for i in range(len(words))]
