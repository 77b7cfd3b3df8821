"""Every recipe by name."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from math import sqrt

from convsmith.data.augment.augment import Augment, written_characters
from convsmith.data.augment.mixing import Mixing
from convsmith.data.dataset import SMALL_SIDE, Dataset
from convsmith.errors import UnknownNameError, UsageError
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.train.recipes.default import CROP_AREA, class_keeping_augment, default_epochs, default_recipe
from convsmith.train.recipes.keeping import with_trivial
from convsmith.train.recipes.papers import PAPERS, NamedRecipe
from convsmith.train.recipes.recipe import FineTuning, Recipe
from convsmith.train.recipes.schedule import Schedule
from convsmith.transform.part import stages, takes_side
from convsmith.zoo.registry import origin_of

DEFAULT = "default"
PAPER = "paper"
"""Stands for the recipe of the network's own paper."""


def recipe_named(
    name: str, network: Network, dataset: Dataset, preprocess: Preprocess, *, epochs: int | None, seed: int
) -> Recipe:
    """The recipe of this name for a network and data; `epochs` None: as many as the recipe has.

    Raises UnknownNameError; UsageError for "paper" where no recipe of the network's paper is known.
    """
    if name == PAPER:
        name = _paper_of(network)
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, [*RECIPES, PAPER])
    return RECIPES[name].make(network, dataset, preprocess, epochs, seed)


def usual_epochs(name: str, train_images: int) -> int:
    """The epochs that a recipe has for so many images; those of the default for a paper's, which go by other data."""
    match name:
        case "fast":
            return max(4, default_epochs(train_images) // 3)
        case "strong" | "small" | "erasing":
            return 3 * default_epochs(train_images)
        case _:
            return default_epochs(train_images)


def _paper_of(network: Network) -> str:
    origin = origin_of(network)
    family = origin.family if origin else ""
    for recipe in reversed(PAPERS):
        if any(fnmatchcase(family, pattern) for pattern in recipe.families):
            return recipe.name
    known = ", ".join(pattern for recipe in PAPERS for pattern in recipe.families)
    raise UsageError(f"no recipe of {network.name}'s paper is known; there is one for {known}")


def _default(network: Network, dataset: Dataset, preprocess: Preprocess, epochs: int | None, seed: int) -> Recipe:
    passes = epochs or usual_epochs(DEFAULT, len(dataset.split("train")))
    return default_recipe(network, dataset, preprocess, epochs=passes, seed=seed)


def _fast(network: Network, dataset: Dataset, preprocess: Preprocess, epochs: int | None, seed: int) -> Recipe:
    passes = epochs or usual_epochs("fast", len(dataset.split("train")))
    recipe = _default(network, dataset, preprocess, passes, seed)
    # Small pictures have less to spare.
    first = 0.75 if preprocess.crop[0] <= SMALL_SIDE else 0.5
    grows = takes_side(network, tuple(max(1, int(first * side)) for side in preprocess.crop))
    return replace(
        recipe,
        name="fast",
        learning_rate=2 * recipe.learning_rate,
        warmup_epochs=0.2 * passes,
        schedule=Schedule("linear"),
        sides=(first, 1.0) if grows else (1.0, 1.0),
    )


def _strong(network: Network, dataset: Dataset, preprocess: Preprocess, epochs: int | None, seed: int) -> Recipe:
    train = dataset.split("train")
    passes = epochs or usual_epochs("strong", len(train))
    recipe = _default(network, dataset, preprocess, passes, seed)
    characters = written_characters(dataset.classes)
    return replace(
        recipe,
        name="strong",
        optimizer="lamb",
        learning_rate=5e-3 * sqrt(recipe.batch_size / 2048),
        weight_decay=0.02,
        epsilon=1e-6,
        warmup_epochs=5 / 300 * passes,
        loss="binary",
        label_smoothing=0.0,
        ema_decay=0.999,
        augment=recipe.augment if characters else with_trivial(replace(recipe.augment, erase=0.25), dataset),
        mixing=Mixing(mixup=0.1, cutmix=0.0 if characters else 1.0),
        repeats=3,
        sides=(0.75, 0.875) if takes_side(network, tuple(side * 3 // 4 for side in preprocess.crop)) else (1.0, 1.0),
        stochastic_depth=0.05,
    )


def _sam(network: Network, dataset: Dataset, preprocess: Preprocess, epochs: int | None, seed: int) -> Recipe:
    return replace(_default(network, dataset, preprocess, epochs, seed), name="sam", sam_rho=0.05)


def _erasing(network: Network, dataset: Dataset, preprocess: Preprocess, epochs: int | None, seed: int) -> Recipe:
    passes = epochs or usual_epochs("erasing", len(dataset.split("train")))
    recipe = _default(network, dataset, preprocess, passes, seed)
    padding = max(1, preprocess.crop[0] // 8)
    moved = class_keeping_augment(dataset, preprocess, area=CROP_AREA, padding=padding)
    return replace(recipe, name="erasing", augment=replace(moved, erase=0.5))


def _small(network: Network, dataset: Dataset, preprocess: Preprocess, epochs: int | None, seed: int) -> Recipe:
    passes = epochs or usual_epochs("small", len(dataset.split("train")))
    recipe = _default(network, dataset, preprocess, passes, seed)
    characters = written_characters(dataset.classes)
    padding = max(1, preprocess.crop[0] // 8)
    return replace(
        recipe,
        name="small",
        weight_decay=5e-3,
        augment=recipe.augment if characters else with_trivial(replace(recipe.augment, crop_padding=padding), dataset),
    )


def _fixres(network: Network, dataset: Dataset, preprocess: Preprocess, epochs: int | None, seed: int) -> Recipe:
    passes = epochs or max(1, default_epochs(len(dataset.split("train"))) // 3)
    recipe = _default(network, dataset, preprocess, passes, seed)
    return replace(
        recipe,
        name="fixres",
        learning_rate=8e-3 * recipe.batch_size / 512,
        nesterov=False,
        weight_decay=1e-4,
        warmup_epochs=0.0,
        schedule=Schedule("steps", drops=(30 / 56,)),
        label_smoothing=0.0,
        ema_decay=None,
        augment=Augment(),
        fine_tuning=FineTuning(frozen_stages=len(stages(network)) - 1, norms=1),
    )


RECIPES: dict[str, NamedRecipe] = {
    recipe.name: recipe
    for recipe in (
        NamedRecipe(
            DEFAULT,
            "He et al. 2019 (arXiv 1812.01187), section 3; rates: see `convsmith.train.recipes.default`",
            "SGD with Nesterov momentum, one warm-up epoch, cosine, label smoothing, averaged weights; "
            "augmentation that suits the data",
            _default,
        ),
        NamedRecipe(
            "fast",
            "Smith 2018 (arXiv 1803.09820), one cycle; Howard 2018, progressive resizing",
            "a third of the default's epochs at twice its rate, up and down in straight lines; where the network takes "
            f"any side, images grow from half of theirs, those of up to {SMALL_SIDE} pixels from three quarters, in "
            "eighths rounded up",
            _fast,
        ),
        NamedRecipe(
            "strong",
            "Wightman, Touvron and Jégou 2021 (arXiv 2110.00476), ResNet strikes back, procedure A2",
            "LAMB, binary cross-entropy, TrivialAugment, Mixup, CutMix, random erasing, stochastic depth, repeated "
            "augmentation, averaged weights, smaller images in training than in test; three times the epochs",
            _strong,
        ),
        NamedRecipe(
            "sam",
            "Foret et al. 2021 (arXiv 2010.01412)",
            "the default with sam_rho-aware minimization, rho 0.05; each step is twice the work",
            _sam,
        ),
        NamedRecipe(
            "erasing",
            "Zhong et al. 2017 (arXiv 1708.04896); its rectangles are up to 40% of the area, in random values",
            "the default with a rectangle painted over in half of the images (2% to 33% of the area, in the image's "
            "mean), and shifts by up to an eighth where no part is cut out; three times the epochs",
            _erasing,
        ),
        NamedRecipe(
            "small",
            "Brigato et al. 2021 (arXiv 2108.13122): tuned plain cross-entropy is hard to beat on little data",
            "for a few hundred images a class or fewer: ten times the weight decay, TrivialAugment, shifts, three "
            "times the epochs",
            _small,
        ),
        NamedRecipe(
            "fixres",
            "Touvron et al. 2019 (arXiv 1906.06423), section 4.2, and the authors' code",
            "for a pretrained model of the same classes at another side: its classifier and its last batch norm "
            "are trained further at the side that it will be tested at, on images as in test; a third of the epochs",
            _fixres,
        ),
        *PAPERS,
    )
}
