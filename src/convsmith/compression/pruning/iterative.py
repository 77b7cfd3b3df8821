"""Pruning in rounds, each followed by training: from where the weights are, or from where they were early on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from convsmith.compression.outcome import Outcome, Touched
from convsmith.compression.pruning.magnitude import Pruning, held, masks_of, prune
from convsmith.compression.retrain import retrained
from convsmith.data.dataset import Dataset
from convsmith.errors import UsageError, WeightsError
from convsmith.model import Model, load_model, save_model
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.run.loop import Observer


def rewound(pruned: Model, early: Model) -> Model:
    """The weights of `early` where `pruned` has any left, zero elsewhere; biases and norms are early ones too.

    A few epochs into training is early enough (Frankle et al. 2020, arXiv 1912.05671). Raises WeightsError if the
    models are not of one network.
    """
    if pruned.network.parameters != early.network.parameters:
        raise WeightsError(f"{early.network.name} does not have the parameters of {pruned.network.name}")
    masks = masks_of(pruned)
    weights = {
        key: torch.where(masks[key], value, 0.0) if key in masks else value for key, value in early.weights.items()
    }
    return replace(pruned, weights=weights, metrics={})


def prune_iteratively(
    model: Model,
    dataset: Dataset,
    recipe: Recipe,
    settings: Pruning,
    rounds: int,
    *,
    early: Model | None = None,
    folder: Path | None = None,
    observers: Sequence[Observer] = (),
) -> Outcome:
    """The model pruned in so many rounds, the same share of what is left in each, and trained by the recipe after each.

    Without `early` weights go on from where they are, and the learning rate starts anew: learning-rate rewinding
    (Renda et al. 2020, arXiv 2003.02389, section 2). With it, they go back to that model's in every round: weight
    rewinding (Frankle et al. 2020); `recipe` is then the training that leads on from there.

    With a `folder`, each round has a folder in it, and a model once it is done: called again, pruning goes on where it
    was stopped. Raises UsageError for less than one round, WeightsError for an early model of another network, and as
    `prune` and `retrained` do.
    """
    if rounds < 1:
        raise UsageError(f"must be at least 1, not {rounds}", settings="rounds")
    found, touched = Outcome(model), dict[str, Touched]()
    for number in range(1, rounds + 1):
        share = 1 - (1 - settings.sparsity) ** (number / rounds)
        step = settings if settings.pattern else replace(settings, sparsity=share)
        pruned = prune(found.model, step)
        start = pruned.model if early is None else rewound(pruned.model, early)
        place = None if folder is None else folder / f"round{number}"
        done = None if place is None else place / "model.safetensors"
        if done is not None and done.exists():
            trained = load_model(done)
        else:
            masks = held(masks_of(start))
            trained = retrained(start, dataset, recipe, after_update=masks, folder=place, observers=observers)
            if done is not None:
                save_model(trained, done)
        for one in pruned.touched:
            touched[one.layer] = replace(one, before=touched.get(one.layer, one).before)
        found = Outcome(trained, tuple(touched.values()), pruned.untouched)
    return found
