import json
from dataclasses import replace
from types import ModuleType

import pytest

import convsmith
from convsmith.errors import UnknownNameError, UsageError
from convsmith.train.recipes.named import RECIPES, recipe_named
from convsmith.train.recipes.papers import PAPERS
from convsmith.train.recipes.recipe import Recipe
from convsmith.zoo.registry import VARIANTS


def made(name: str, model: str, tiny: ModuleType, epochs: int | None = None) -> Recipe:
    network = convsmith.create(model, classes=3, input=(3, 32, 32))
    return recipe_named(name, network, tiny.in_memory(), tiny.PREPROCESS, epochs=epochs, seed=3)


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_is_made_under_its_name_and_survives_json(name: str, tiny: ModuleType) -> None:
    recipe = made(name, "resnet20", tiny)
    assert recipe.name == name
    assert recipe.seed == 3
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    assert made(name, "resnet20", tiny, epochs=2).epochs == 2


def test_a_papers_rate_is_scaled_with_the_batch(tiny: ModuleType) -> None:
    recipe = made("resnet-cifar", "resnet20", tiny)  # 100 images: a batch of 10 instead of 128
    assert (recipe.batch_size, recipe.learning_rate) == (10, pytest.approx(0.1 * 10 / 128))
    assert (recipe.epochs, recipe.schedule.drops) == (164, (0.5, 0.75))


def test_erasing_is_the_default_with_half_of_the_images_erased_and_longer_shifts(tiny: ModuleType) -> None:
    network = convsmith.create("resnet20", classes=3, input=(3, 32, 32))
    preprocess = replace(tiny.PREPROCESS, crop=(32, 32), resize=32)
    default, erasing = (
        recipe_named(name, network, tiny.in_memory(), preprocess, epochs=None, seed=0)
        for name in ("default", "erasing")
    )
    assert erasing.epochs == 3 * default.epochs
    assert erasing.augment == replace(default.augment, erase=0.5, crop_padding=4)
    assert replace(erasing, name="default", epochs=default.epochs, augment=default.augment) == default


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("resnet20", "resnet-cifar"),
        ("resnet50", "resnet"),
        ("mobilenet_v2", "mobilenet"),
        ("efficientnet_b0", "efficientnet"),
        ("wrn_16_4", "wide-resnet"),
    ],
)
def test_paper_is_the_recipe_of_the_networks_own_family(model: str, name: str, tiny: ModuleType) -> None:
    assert made("paper", model, tiny).name == name


def test_a_network_without_a_papers_recipe_names_those_that_have_one(tiny: ModuleType) -> None:
    with pytest.raises(UsageError, match=r"no recipe of lenet5's paper is known; there is one for alexnet"):
        made("paper", "lenet5", tiny)


def test_an_unknown_recipe_names_the_nearest(tiny: ModuleType) -> None:
    with pytest.raises(UnknownNameError, match="strong"):
        made("stronk", "resnet20", tiny)


def test_every_pattern_of_a_papers_families_means_one() -> None:
    from fnmatch import filter as matching

    families = {variant.family_name for variant in VARIANTS.values()}
    assert [p for recipe in PAPERS for p in recipe.families if not matching(families, p)] == []


def test_small_sides_are_only_for_networks_that_take_them(tiny: ModuleType) -> None:
    def sides(model: str, side: int) -> tuple[float, float]:
        network = convsmith.create(model, classes=3, input=(3, side, side))
        preprocess = replace(tiny.PREPROCESS, crop=(side, side), resize=side)
        return recipe_named("fast", network, tiny.in_memory(), preprocess, epochs=1, seed=0).sides

    assert sides("resnet20", 64) == (0.5, 1.0)
    assert sides("lenet_300_100", 64) == (1.0, 1.0)
    assert sides("resnet20", 28) == (0.75, 1.0), "small pictures have less to spare"
    assert sides("lenet5", 28) == (1.0, 1.0)
