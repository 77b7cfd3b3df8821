"""The recipe of a run, with what was asked for."""

from __future__ import annotations

from dataclasses import replace

from convsmith.data.augment.augment import Augment
from convsmith.data.dataset import Dataset
from convsmith.errors import UsageError
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.request import Request
from convsmith.train.recipes.default import with_batch
from convsmith.train.recipes.named import DEFAULT, recipe_named
from convsmith.train.recipes.recipe import Recipe


def recipe_for(request: Request, network: Network, dataset: Dataset, preprocess: Preprocess) -> Recipe:
    """The recipe of the name that was asked for, for this network and these data. Raises UnknownNameError."""
    name = request.recipe or DEFAULT
    return recipe_named(name, network, dataset, preprocess, epochs=request.epochs, seed=request.seed or 0)


def with_asked(request: Request, recipe: Recipe, network: Network) -> Recipe:
    """The recipe with what was asked for; another batch scales the rate, unless that is given.

    Raises UsageError for what the recipe cannot do.
    """
    if isinstance(request.batch_size, int):
        recipe = with_batch(recipe, network, request.batch_size)
    if isinstance(request.learning_rate, int | float):
        recipe = replace(recipe, learning_rate=float(request.learning_rate))
    return request.changed(replace(recipe, augment=_with_changes(request, recipe)))


def _with_changes(request: Request, recipe: Recipe) -> Augment:
    """The recipe's augmentation with the changes to images that were asked for or forbidden."""
    augment = recipe.augment
    if recipe.fine_tuning.frozen_stages and augment == Augment():
        if request.flip:
            raise UsageError("frozen layers see images as they are", settings="flip")
        return augment
    if request.flip is not None:
        augment = replace(augment, flip=request.flip)
    if request.turn is not None:
        rotate, quarters = (augment.rotate, augment.quarter_turns) if request.turn else (0.0, False)
        augment = replace(augment, turn=request.turn, rotate=rotate, quarter_turns=quarters)
    if request.colour is not None:
        augment = replace(augment, colour=request.colour)
    return augment
