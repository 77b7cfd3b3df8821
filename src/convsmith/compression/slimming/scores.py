"""How much each unit of channels matters."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from convsmith.compression.sample import Sample
from convsmith.errors import UsageError
from convsmith.evaluation.inference import main_output
from convsmith.model import Model
from convsmith.network import ops
from convsmith.transform.channels import KEPT, Channels, Slot

Criterion = Literal["l1", "l2", "norm_scale", "taylor"]
CRITERIA: tuple[Criterion, ...] = ("l1", "l2", "norm_scale", "taylor")

Scores = NDArray[np.float64]
"""One number for each unit, the least important lowest; infinity where the criterion says nothing of a unit."""


def scores_of(model: Model, channels: Channels, criterion: Criterion, sample: Sample | None = None) -> Scores:
    """The units' scores, (units,).

    - "l1" and "l2" are norms of the filters that make a channel (Li et al. 2017, arXiv 1608.08710, section 3.1).
    - "norm_scale" is the magnitude of its batch norms' weights (Liu et al. 2017, arXiv 1708.06519, section 3).
    - "taylor" is how much the loss on `sample` changes to the first order if the channel is removed, squared and
      averaged over batches (Molchanov et al. 2019, arXiv 1906.10771, equations 8 and 10).

    Norms and scales are divided by their mean over the layer, so that layers can be compared; of a unit that several
    layers make the mean counts. Taylor's scores are all in the unit of the loss. Raises UsageError if "taylor" has no
    sample.
    """
    if criterion == "taylor":
        if sample is None:
            raise UsageError("taylor measures on images: give a sample", settings="sample")
        return _taylor(model, channels, sample)
    tally = _Tally(channels.units)
    for slot in channels.slots:
        magnitudes = _magnitudes(model, slot, criterion)
        if magnitudes is not None:
            values = magnitudes.double().numpy()
            tally.note(slot, values / max(values.mean(), np.finfo(float).tiny))
    return tally.means


class _Tally:
    """Sums and counts of what was measured for each unit."""

    def __init__(self, units: int) -> None:
        self._sums, self._counts = np.zeros(units), np.zeros(units)

    def note(self, slot: Slot, values: NDArray[np.float64]) -> None:
        """One value for each index along the slot."""
        units = np.array(slot.units)
        free = units != KEPT
        np.add.at(self._sums, units[free], values[free])
        np.add.at(self._counts, units[free], 1)

    @property
    def sums(self) -> Scores:
        return np.where(self._counts > 0, self._sums, np.inf)

    @property
    def means(self) -> Scores:
        return np.where(self._counts > 0, self._sums / np.maximum(self._counts, 1), np.inf)


def _magnitudes(model: Model, slot: Slot, criterion: Criterion) -> Tensor | None:
    """What the criterion measures of each index of a parameter's axis; None if it does not look at this one."""
    if criterion == "norm_scale":
        return model.weights[slot.parameter].abs() if _is_scale(model, slot) else None
    if slot.role != "output" or not slot.parameter.endswith(".weight"):
        return None
    filters = model.weights[slot.parameter].movedim(slot.axis, 0).flatten(1)
    norms: Tensor = torch.linalg.vector_norm(filters, 1 if criterion == "l1" else 2, dim=1)
    return norms


def _is_scale(model: Model, slot: Slot) -> bool:
    return isinstance(model.network[slot.node].op, ops.BatchNorm) and slot.parameter.endswith(".weight")


def _taylor(model: Model, channels: Channels, sample: Sample) -> Scores:
    """Summed over what gates a channel: its batch norms' weight and bias, or where it has none, its filters."""
    total = np.zeros(channels.units)
    gated = {unit for slot in channels.slots if _is_scale(model, slot) for unit in slot.units}
    module = model.module(model.network.inference)
    for images, labels in sample.batches():
        module.zero_grad()
        functional.cross_entropy(main_output(module(images)), labels).backward()  # type: ignore[no-untyped-call]
        tally = _Tally(channels.units)
        for slot in channels.slots:
            products = _products(model, module, slot, gated)
            if products is not None:
                tally.note(slot, products.double().numpy())
        total += tally.sums**2
    return total / len(list(sample.batches()))


def _products(model: Model, module: torch.nn.Module, slot: Slot, gated: set[int]) -> Tensor | None:
    """Gradient times value, summed for each index of the slot's axis; None for what is not counted here."""
    norm = isinstance(model.network[slot.node].op, ops.BatchNorm)
    parameter = dict(module.named_parameters()).get(slot.parameter)
    if parameter is None or parameter.grad is None or slot.role == "input":
        return None
    if not norm and (slot.role != "output" and not slot.parameter.endswith(".bias")):
        return None
    products = (parameter.grad * parameter).detach().movedim(slot.axis, 0)
    products = products.reshape(len(products), -1).sum(1)
    if norm:
        return products
    return torch.where(torch.tensor([unit in gated for unit in slot.units]), 0.0, products)
