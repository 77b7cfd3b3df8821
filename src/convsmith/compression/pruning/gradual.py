"""Pruning while training goes on: a little more every few updates, by a cubic schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convsmith.compression.outcome import Outcome, Touched
from convsmith.compression.pruning.magnitude import Held, Pruning, candidates, masks_for, masks_of
from convsmith.compression.retrain import training_of, with_weights
from convsmith.data.dataset import Dataset
from convsmith.errors import UsageError
from convsmith.model import Model
from convsmith.network import Network
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.run.events import Started
from convsmith.train.run.loop import Observer
from convsmith.train.step.objective import MeanLoss, Objective

CHOICES = 100
"""Times that weights are chosen anew on the way to the last sparsity."""


class GradualPruning:
    """Raises the sparsity from 0 to that of `settings` between two updates.

    It goes up fast at first, while there is much to spare, and ever slower: s = final - final (1 - t)^3 (Zhu and Gupta
    2017, arXiv 1710.01878, equation 1). Weights are
    chosen anew every `every` updates, by their magnitude at that time; a weight that was pruned stays so.

        gradual = GradualPruning(model.network, Pruning(0.9), begin=0, end=1000)
        Training(..., after_update=gradual, observers=[gradual.observe])

    As an observer it finds its zeros again in a training that is resumed. Raises UsageError where the updates are not
    in order, or for a pattern, which has no sparsities in between.
    """

    def __init__(self, network: Network, settings: Pruning, *, begin: int, end: int, every: int = 100) -> None:
        if not 0 <= begin < end:
            raise UsageError(f"updates {begin} to {end} are no schedule", settings=("begin", "end"))
        if every < 1:
            raise UsageError(f"must be at least 1, not {every}", settings="every")
        if settings.pattern is not None:
            raise UsageError("a pattern has no sparsities in between: prune it at once", settings="pattern")
        self._keys, _ = candidates(network, settings)
        self._settings, self._begin, self._end, self._every = settings, begin, end, every
        self._held = Held({})
        self._last = -1

    def sparsity(self, number: int) -> float:
        """The share of weights that is pruned after update `number`."""
        done = min(1.0, max(0.0, (number - self._begin) / (self._end - self._begin)))
        return self._settings.sparsity * (1 - (1 - done) ** 3)

    def observe(self, event: Any, training: Any) -> None:
        """As an observer of the training: notes what is zero where it begins or goes on."""
        if isinstance(event, Started):
            self._held = Held({key: value != 0 for key, value in self._weights(training.module).items()})

    def __call__(self, module: nn.Module, number: int) -> None:
        """After update `number`: prunes more where that is due, and keeps what was pruned."""
        # The moving average is put through this with a number that was there before: then nothing is chosen.
        due = number > self._last and number >= self._begin and self._choosing(number)
        self._held(module, number)
        if due:
            weights = {key: value.cpu() for key, value in self._weights(module).items()}
            self._held = Held(masks_for(weights, replace(self._settings, sparsity=self.sparsity(number))))
            self._held(module, number)
        self._last = max(self._last, number)

    def _choosing(self, number: int) -> bool:
        return number <= self._end and ((number - self._begin) % self._every == 0 or number == self._end)

    def _weights(self, module: nn.Module) -> Mapping[str, Tensor]:
        parameters = dict(module.named_parameters())
        with torch.no_grad():
            return {key: parameters[key].detach() for key in self._keys}


def prune_gradually(
    model: Model,
    dataset: Dataset,
    recipe: Recipe,
    settings: Pruning,
    *,
    ramp: float = 0.75,
    objective: Objective | MeanLoss | None = None,
    folder: Path | None = None,
    observers: Sequence[Observer] = (),
) -> Outcome:
    """The model trained by the recipe while its sparsity rises, during the first share `ramp` of the updates.

    What is delivered is what training ends with: earlier epochs, however good, were less sparse. With a `folder`
    training goes on where it was stopped. Raises UsageError as `GradualPruning` does, and as `Training` does.
    """
    if not 0 < ramp <= 1:
        raise UsageError(f"must be above 0, at most 1, not {ramp}", settings="ramp")
    images = len(dataset.split("train"))
    updates = recipe.epochs * (recipe.epoch_steps or images // min(recipe.batch_size, images))
    end = max(1, round(ramp * updates) - 1)
    gradual = GradualPruning(model.network, settings, begin=0, end=end, every=max(1, end // CHOICES))
    watching = (gradual.observe, *observers)
    with training_of(
        model, dataset, recipe, objective=objective, after_update=gradual, folder=folder, observers=watching
    ) as training:
        training.advance()
        trained = with_weights(model, training.run.learner.weights(max(0, training.run.steps_done - 1)))
    masks = masks_of(trained)
    touched = tuple(
        Touched(key.rpartition(".")[0], "weights that are not zero", mask.numel(), int(mask.sum()))
        for key, mask in masks.items()
        if not mask.all()
    )
    return Outcome(trained, touched, candidates(model.network, settings)[1])
