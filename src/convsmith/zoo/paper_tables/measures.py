"""Figures of one network, or of one of its layers: what the columns of a paper's table are recomputed by."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from convsmith.cost import Cost, cost_of
from convsmith.network.dims import elements
from convsmith.network.network import INPUT
from convsmith.zoo.paper_tables.printed import Count, PrintedRow
from convsmith.zoo.registry import create

FLOAT32_BYTES = 4

ACCURACY = "accuracy"
"""The measure of columns that take images and trained weights."""


def _params(row: PrintedRow) -> float:
    return int(_cost(row).params)


def _macs(row: PrintedRow) -> float:
    return int(_cost(row).macs)


def _megabytes(row: PrintedRow) -> float:
    """Bytes of the parameters in float32."""
    return int(_cost(row).params) * FLOAT32_BYTES


def _units(row: PrintedRow) -> float:
    """Elements of a layer's output; without a layer, of all convolutions and dense layers."""
    cost = _cost(row)
    if not row.layer:
        return int(cost.activations)
    return int(elements(cost.network.shapes[INPUT if row.layer == "input" else row.layer]))


def _params_ratio(row: PrintedRow) -> float:
    return _params(row) / _params(PrintedRow((), row.against))


def _macs_ratio(row: PrintedRow) -> float:
    return _macs(row) / _macs(PrintedRow((), row.against))


def _reduction(row: PrintedRow) -> float:
    return 1 / _params_ratio(row)


MEASURES: Mapping[str, Callable[[PrintedRow], float]] = {
    "params": _params,
    "macs": _macs,
    "megabytes": _megabytes,
    "units": _units,
    "params_ratio": _params_ratio,
    "macs_ratio": _macs_ratio,
    "reduction": _reduction,
}


def measured(row: PrintedRow, measure: str, unit: float) -> Count:
    """A figure of the row's network, with its auxiliary heads taken off: they exist in training only."""
    return Count(MEASURES[measure](row), unit)


def _cost(row: PrintedRow) -> Cost:
    shape = None if row.side is None else (3, row.side, row.side)
    return cost_of(create(row.network, classes=row.classes, input=shape).inference)
