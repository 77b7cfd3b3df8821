"""Temperature scaling: probabilities that are as sure as they are right, with the same answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import Dataset
from convsmith.errors import DataError, UsageError
from convsmith.evaluation.measured import measured, opened_for
from convsmith.evaluation.metrics import Metrics, measure
from convsmith.model import Model
from convsmith.network.network import Network
from convsmith.network.ops import Activation, Conv, Linear, Op
from convsmith.resolve import model_of

RANGE = (0.05, 20.0)
"""Temperatures that are tried. Networks of 2017 need 1 to 3 (Guo et al. 2017, figure 4)."""

CLASSIFIERS = (Linear, Conv)
PROPORTIONAL = frozenset(
    {
        "flatten",
        "reshape",
        "permute",
        "slice",
        "reduce",
        "max_pool",
        "avg_pool",
        "adaptive_avg_pool",
        "adaptive_max_pool",
    }
)
"""Ops that what is proportional before them is so after them."""

FACTORS = frozenset({"scale", "codebook"})
"""Parts of a grid that its values are proportional to."""


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A model whose logits are divided by `temperature`, which fits `fitted_on`; and both measured on another split."""

    model: Model
    temperature: float
    fitted_on: str
    before: Metrics
    after: Metrics

    def to_json(self) -> dict[str, Any]:
        sides = {"before": self.before.to_json(), "after": self.after.to_json()}
        return {"temperature": self.temperature, "fitted_on": self.fitted_on, **sides}

    def __str__(self) -> str:
        was, now = self.before, self.after
        return "\n".join(
            [
                f"temperature        {self.temperature:.4f}, fitted on the {self.fitted_on} split",
                f"measured on        the {now.split} split, {now.images:,} images",
                f"calibration error  {was.calibration} before, {now.calibration} after",
                f"cross-entropy      {was.loss.value:.4f} before, {now.loss.value:.4f} after",
                f"top-1 accuracy     {now.top1}, the same answers as before",
            ]
        )


def calibrate(
    model: Model | str | Path, data: Dataset | str | Path, *, fit_on: str = "val", measure_on: str = "test",
    seed: int | None = None,
) -> Calibrated:  # fmt: skip
    """Fits a temperature on one split, and measures it on another (Guo et al. 2017, arXiv 1706.04599, section 4.2).

    The classifier's weights and bias are divided by it, so every file, export and engine has it.

    Raises UsageError where the two splits are one, or where the network's last layer is no linear one; DataError for
    data that lack a split, and as `evaluate` does.
    """
    if fit_on == measure_on:
        raise UsageError("a temperature is not measured on the images that it was fitted on", settings="measure_on")
    model = model_of(model)
    dataset = opened_for(model, data, seed)
    fitted, tested = (measured(model, dataset, split=split) for split in (fit_on, measure_on))
    temperature = temperature_for(fitted.logits, fitted.labels)
    before, after = (
        measure(tested.logits / divisor, tested.labels, tested.classes, split=measure_on)
        for divisor in (1, temperature)
    )
    return Calibrated(scaled(model, temperature), temperature, fit_on, before, after)


def temperature_for(logits: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> float:
    """The temperature of the least cross-entropy. Raises DataError where every answer is right: then none is best."""
    from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]
    from scipy.special import log_softmax  # type: ignore[import-untyped]

    if (logits.argmax(axis=1) == labels).all():
        raise DataError(f"all {len(labels):,} answers are right, so no temperature is best: fit it on more images")
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(logits.astype(np.float64) / np.exp(log_temperature), axis=1)[rows, labels].mean())

    found = minimize_scalar(loss, bounds=np.log(RANGE), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def scaled(model: Model, temperature: float) -> Model:
    """The model with its logits divided by a temperature; the provenance keeps the product of all.

    Raises UsageError where the network's last layer with weights is not a linear one that its output comes from.
    """
    network = model.network.inference
    node = network[network.output]
    while type(node.op) not in CLASSIFIERS and _keeps_factors(node.op) and len(node.inputs) == 1:
        node = network[node.inputs[0]]
    own = {f"{node.name}.{parameter.name}" for parameter in network.parameters_of(node)}
    if type(node.op) not in CLASSIFIERS or not own or _shared(network, node.name):
        raise UsageError(f"{network.name} ends in {node.name} ({node.op.kind}), which a temperature cannot be put into")
    weights = {key: tensor / temperature if key in own else tensor for key, tensor in model.weights.items()}
    grids = {
        key: {part: tensor / temperature if key in own and part in FACTORS else tensor for part, tensor in grid.items()}
        for key, grid in model.grids.items()
    }
    before = float(model.provenance.get("temperature", 1.0))
    provenance = {**model.provenance, "temperature": before * temperature}
    return replace(model, weights=weights, grids=grids, provenance=provenance)


def _keeps_factors(op: Op) -> bool:
    """Whether what is t times as large before the op is t times as large after it, for any positive t."""
    return op.kind in PROPORTIONAL or op.training_only or (isinstance(op, Activation) and op.function == "relu")


def _shared(network: Network, name: str) -> bool:
    return any(node.shares == name for node in network)
