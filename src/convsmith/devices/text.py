"""A predicted latency in words, and as JSON."""

from __future__ import annotations

import textwrap
from typing import Any

from convsmith import records
from convsmith.cost.table import WIDTH, aligned
from convsmith.devices.predict import Prediction
from convsmith.devices.table import DeviceTable
from convsmith.devices.trust import mismatch

SLOWEST = 5
"""Operators that are named as those that take longest."""


def latency_text(prediction: Prediction, table: DeviceTable) -> str:
    """The total, where it was measured and how far it may be trusted, and what takes longest."""
    found = table.accuracy
    slowest = sorted(prediction.operators, key=lambda operator: -operator.ms)[:SLOWEST]
    longest = ", ".join(f"{one.layers[0]} {one.ms:.3f}" for one in slowest)
    rows = [
        ("latency", f"{prediction.ms:.3f} ms for one image, predicted: {table.name}"),
        ("device", f"{table.engine}, {table.machine.processor}, measured {table.date}"),
        ("error", f"{found.networks_median:.1%} median, {found.networks_p90:.1%} for nine in ten networks"),
        ("operators", f"{len(prediction.operators)} in {table.engine.name}; longest: {longest} ms"),
    ]
    notes = [*mismatch(table), *_guessed(prediction)]
    return "\n".join([aligned((), rows, "ll"), *(textwrap.fill(f"Note: {note}.", WIDTH) for note in notes)])


def _guessed(prediction: Prediction) -> list[str]:
    layers = prediction.guessed
    if not layers:
        return []
    named = ", ".join(layers[:SLOWEST]) + (f" and {len(layers) - SLOWEST} more" if len(layers) > SLOWEST else "")
    return [f"nothing of their kind was measured, so these layers are guessed from others: {named}"]


def latency_json(prediction: Prediction, table: DeviceTable) -> dict[str, Any]:
    """The same as JSON values, with every operator: its layers, what it is, ms."""
    return {
        "device": table.name,
        "machine": records.to_json(table.machine),
        "engine": records.to_json(table.engine),
        "date": table.date,
        "ms": prediction.ms,
        "run_ms": prediction.run_ms,
        "accuracy": records.to_json(table.accuracy),
        "notes": list(mismatch(table)),
        "operators": [
            {
                "layers": list(one.layers),
                "kind": one.unit.kind,
                "output": list(one.unit.output),
                "function": one.unit.function,
                "ms": one.ms,
                "guessed": one.guessed,
            }
            for one in prediction.operators
        ],
    }
