"""The recipe of a run, with what was asked for."""

from __future__ import annotations

from dataclasses import replace

from convsmith.data.dataset import Dataset
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
    """The recipe with what was asked for; another batch scales the rate, unless that is given."""
    if isinstance(request.batch_size, int):
        recipe = with_batch(recipe, network, request.batch_size)
    if isinstance(request.learning_rate, int | float):
        recipe = replace(recipe, learning_rate=float(request.learning_rate))
    return request.changed(recipe)
