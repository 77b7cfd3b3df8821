"""Training that goes on once weights are quantized: they move from one multiple of their step to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from convsmith.errors import UsageError
from convsmith.model import Model
from convsmith.network.storage import FloatStorage, IntegerStorage
from convsmith.train.run.events import Started

HALF = torch.finfo(torch.float16)


class OnGrid:
    """Keeps weights on their grids in training, as `after_update`.

    Beside each weight that is stored as an integer there is a float in which the optimizer's steps add up; the module
    computes with the nearest multiple of the step, so gradients pass straight through the rounding (Courbariaux et al.
    2015, arXiv 1511.00363, section 2.4). Weights that begin at zero stay there, so that the coded file stays about as
    small. As an observer, `observe` starts from the weights of a training that is resumed; the floats beside them are
    lost then. Raises UsageError for a model without such weights.
    """

    def __init__(self, model: Model) -> None:
        self._grids = {key: _Grid.of(model, key) for key, value in model.network.storage if _on_grid(value)}
        if not self._grids:
            raise UsageError(f"{model.network.name} has no weights that are stored as integers with one step a tensor")
        self._exact = {key: model.weights[key].clone() for key in self._grids}
        self._last = -1

    def observe(self, event: Any, training: Any) -> None:
        """As an observer of the training: takes the weights that it begins or goes on with."""
        if isinstance(event, Started):
            parameters = dict(training.module.named_parameters())
            self._start({key: parameters[key].detach().clone() for key in self._grids})

    def __call__(self, module: nn.Module, number: int) -> None:
        """After the update itself the steps are added up; averaged weights, of the same number, are only rounded."""
        parameters = dict(module.named_parameters())
        for key, grid in self._grids.items():
            values = parameters[key].data
            if self._exact[key].device != values.device:
                self._exact[key] = self._exact[key].to(values.device)
                grid.move(values.device)
            if number == self._last:
                values.copy_(grid.nearest(values))
                continue
            self._exact[key] += values - grid.nearest(self._exact[key])
            values.copy_(grid.nearest(self._exact[key]))
        self._last = number

    def _start(self, weights: Mapping[str, Tensor]) -> None:
        self._exact = dict(weights)


class _Grid:
    """The multiples of a tensor's step, and which of its elements are not zero."""

    def __init__(self, step: Tensor, highest: int, kept: Tensor) -> None:
        self._step, self._highest, self._kept = step, highest, kept

    @classmethod
    def of(cls, model: Model, key: str) -> _Grid:
        storage = model.network.storage_of(key)
        assert isinstance(storage, IntegerStorage)
        return cls(model.grids[key]["scale"], storage.highest, model.weights[key] != 0)

    def nearest(self, values: Tensor) -> Tensor:
        whole = torch.round(values / self._step).clamp(-self._highest, self._highest)
        return torch.where(self._kept, whole * self._step, 0.0)

    def move(self, device: torch.device) -> None:
        self._step, self._kept = self._step.to(device), self._kept.to(device)


def _on_grid(storage: object) -> bool:
    return isinstance(storage, IntegerStorage) and storage.axis is None and storage.symmetric


def on_grid(model: Model) -> OnGrid:
    """An `after_update` that keeps the weights of a quantized model on their grids. See `storable` for afterwards."""
    return OnGrid(model)


def storable(model: Model) -> Model:
    """The model with what is stored in 16-bit floats, and was trained in 32, rounded to these."""
    halves = [key for key, value in model.network.storage if value == FloatStorage("float16")]
    rounded = {key: model.weights[key].clamp(HALF.min, HALF.max).half().float() for key in halves}
    return replace(model, weights={**model.weights, **rounded})
