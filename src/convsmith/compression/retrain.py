"""Training that goes on from a model's weights, between the steps of a compression and after them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from convsmith.data.dataset import Dataset
from convsmith.evaluation.inference import best_device
from convsmith.model import Model
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.run.loop import Observer, Training
from convsmith.train.run.store import RunStore
from convsmith.train.step.learner import AfterUpdate
from convsmith.train.step.objective import MeanLoss, Objective


def retrained(
    model: Model,
    dataset: Dataset,
    recipe: Recipe,
    *,
    objective: Objective | MeanLoss | None = None,
    after_update: AfterUpdate | None = None,
    folder: Path | None = None,
    observers: Sequence[Observer] = (),
) -> Model:
    """The model after training by the recipe, from its own weights. See `Training` for what the arguments mean.

    With a `folder`, checkpoints and log.jsonl are kept there, and training goes on from the last of them. Raises as
    `Training` does.
    """
    with ExitStack() as stack:
        store = None if folder is None else RunStore(folder)
        if store is not None:
            observers = (stack.enter_context(store.log), *observers)
        training = Training(
            model.module().train().to(best_device()),
            dataset,
            model.preprocess,
            recipe,
            objective=objective,
            after_update=after_update,
            store=store,
            observers=observers,
        )
        training.advance()
        weights = {key: value.cpu() for key, value in training.result().weights.items()}
    return replace(model, weights=weights, metrics={})
