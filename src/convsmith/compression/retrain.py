"""Training that goes on from a model's weights, between the steps of a compression and after them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from torch import Tensor

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
    with training_of(
        model, dataset, recipe, objective=objective, after_update=after_update, folder=folder, observers=observers
    ) as training:
        training.advance()
        return with_weights(model, training.result().weights)


@contextmanager
def training_of(
    model: Model,
    dataset: Dataset,
    recipe: Recipe,
    *,
    objective: Objective | MeanLoss | None = None,
    after_update: AfterUpdate | None = None,
    folder: Path | None = None,
    observers: Sequence[Observer] = (),
) -> Iterator[Training]:
    """A training that goes on from the model's weights, on the GPU where there is one; its log is closed at the end."""
    with ExitStack() as stack:
        store = None if folder is None else RunStore(folder)
        if store is not None:
            observers = (stack.enter_context(store.log), *observers)
        yield Training(
            model.module().train().to(best_device()),
            dataset,
            model.preprocess,
            recipe,
            objective=objective,
            after_update=after_update,
            store=store,
            observers=observers,
        )


def with_weights(model: Model, weights: Mapping[str, Tensor]) -> Model:
    """The model with what training gave, on the CPU. What was measured of it before no longer holds."""
    own = {key: weights[key].detach().cpu() for key in model.network.parameters}  # an objective may have more
    return replace(model, weights=own, metrics={})
