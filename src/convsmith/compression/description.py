"""A model's description without what only its training needed, for files in which every byte counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from convsmith.model import Model

PROVENANCE = ("tuned", "notes")
"""Of the training run: how fast each way to compute was, what was remarked."""
DATA = ("sketch",)
"""Of the training data: by it `evaluate` finds training images among the test images."""
METRICS = ("confusion", "classes")
"""What was measured of single classes."""


def lean(model: Model) -> Model:
    """The model without the sketch of its training data, its run's notes and timings, and the metrics of each class.

    Names, recipe, seed, versions, the data's fingerprint and the overall metrics stay. Without the sketch, `evaluate`
    cannot tell whether test images were trained on.
    """
    provenance = _without(model.provenance, PROVENANCE)
    if isinstance(provenance.get("data"), Mapping):
        provenance["data"] = _without(provenance["data"], DATA)
    return replace(model, provenance=provenance, metrics=_without(model.metrics, METRICS))


def _without(values: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in keys}
