import json
from dataclasses import replace

import pytest

from convsmith.data.augment.augment import Augment
from convsmith.errors import UsageError
from convsmith.train.recipes.recipe import Recipe

RECIPE = Recipe(
    epochs=30,
    batch_size=128,
    optimizer="sgd",
    learning_rate=0.1,
    weight_decay=5e-4,
    warmup_epochs=1.5,
    ema_decay=0.99,
    patience=5,
    augment=Augment(flip=True, resized_crop=0.35),
    precision="float32",
)


def test_a_recipe_survives_json() -> None:
    for recipe in (RECIPE, Recipe(1, 1, "adamw", 1e-3, 0.0)):
        assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("weight_decay", -1.0),
        ("momentum", 1.0),
        ("warmup_epochs", 31.0),
        ("label_smoothing", 1.0),
        ("ema_decay", 1.0),
        ("patience", 0),
        ("seed", -1),
        ("epsilon", 0.0),
        ("clip_norm", 0.0),
        ("accumulate", 129),
        ("sam_rho", 0.0),
        ("repeats", 0),
        ("sides", (0.0, 1.0)),
        ("epoch_steps", 0),
        ("stochastic_depth", 1.0),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_name(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"^{name}: must be .*, not "):
        replace(RECIPE, **{name: value})


@pytest.mark.parametrize("damage", ["unknown", "missing"])
def test_json_that_is_not_a_recipe_is_refused(damage: str) -> None:
    data = RECIPE.to_json()
    if damage == "unknown":
        data["colour"] = 1
    else:
        del data["epochs"]
    with pytest.raises(UsageError, match="not a training recipe"):
        Recipe.from_json(data)
