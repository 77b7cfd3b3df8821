"""Aim: with the same time, a search finds a better network than random search, and a better one than the designer's.

Both searches get the same space, limit, seconds and seed, one after the other; random search trains all trials whole.
What each chose, and the designer's strongest candidate within the limit, are then trained in full, and measured on the
test split.

    OMP_NUM_THREADS=1 python benchmarks/search.py [DATA] [--space plain] [--max-params 20000] [--seconds 150]
        [--epochs 15] [--images N] [--seed 0]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from convsmith import Dataset, Network, evaluate, preprocess_for, search
from convsmith.cost import cost_of
from convsmith.data.open import open_dataset
from convsmith.design.limits import Limits
from convsmith.fitting.chosen import Chosen
from convsmith.fitting.designing import design_for
from convsmith.fitting.trials import short_training, some
from convsmith.model import Model
from convsmith.searching.found import Found
from convsmith.searching.settings import SearchSettings
from convsmith.train.recipes.named import DEFAULT, recipe_named
from convsmith.train.run.plan import RunPlan
from row import Row, show


def searched(dataset: Dataset, asked: Any, sampler: Any, pruner: Any, epochs: int | None) -> Found:
    settings = SearchSettings(seconds=asked.seconds, sampler=sampler, pruner=pruner, seed=asked.seed, epochs=epochs)
    return search(dataset, Limits(max_params=asked.max_params), space=asked.space, settings=settings)


def trained(network: Network, dataset: Dataset, epochs: int, seed: int) -> Any:
    """The test accuracy after the whole recipe, with its interval."""
    preprocess = preprocess_for(dataset)
    recipe = recipe_named(DEFAULT, network, dataset, preprocess, epochs=epochs, seed=seed)
    training = short_training(Chosen(RunPlan(network, "benchmark", preprocess, recipe)), dataset)
    training.advance()
    model = Model(network, training.result().weights, dataset.classes, preprocess)
    return evaluate(model, dataset).metrics.top1


def rows(asked: Any) -> Iterator[Row]:
    dataset = open_dataset(asked.data)
    if asked.images is not None:
        splits = {**dataset.splits, "train": some(dataset.split("train"), asked.images)}
        dataset = replace(dataset, splits=splits, name=f"{asked.images:,} images of {dataset.name}")
    limits = Limits(max_params=asked.max_params)
    ours = searched(dataset, asked, "tpe", "halving", None)
    random = searched(dataset, asked, "random", "none", ours.epochs)
    networks = {
        f"found by TPE with halving ({len(ours.trials)} trials of up to {ours.epochs} epochs)": ours.network,
        f"found at random ({len(random.trials)} trials)": random.network,
        "the designer's strongest": design_for(dataset, limits).candidate("strongest").network,
    }
    accuracies = {}
    for name, network in networks.items():
        accuracies[name] = trained(network, dataset, asked.epochs, asked.seed)
        best = accuracies[name].value >= max(each.value for each in accuracies.values())
        taken = f"{int(cost_of(network).params):,} parameters: {accuracies[name]}"
        first = len(accuracies) == 1
        aim = "" if first else "no better than the first"
        yield Row(f"`search.py`: {dataset.name}, {asked.space}: {name}", aim, taken, None if first else not best)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="fashion-mini")
    parser.add_argument("--space", default="plain")
    parser.add_argument("--max-params", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=150.0)
    parser.add_argument("--images", type=int, help="of the train split; all of them by default")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    show(rows(parser.parse_args()))
