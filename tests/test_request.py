import json
from dataclasses import fields, replace

import pytest
from hypothesis import given, strategies as st

from convsmith import create
from convsmith.cluster import Cluster
from convsmith.errors import UsageError
from convsmith.request import FREE, Request, ResumeError, frozen_stages
from convsmith.train.recipes.recipe import Recipe

FULL = Request(
    data="photos",
    network="resnet20",
    max_params=10**6,
    epochs=3,
    batch_size=32,
    learning_rate=0.1,
    seed=7,
    precision="float32",
    recover=True,
    cluster=Cluster("auto", 2, 0.0),
)


def test_a_request_survives_json() -> None:
    for request in (Request(), FULL, Request(pretrained="resnet50", freeze="stages:2", layer_decay=0.5, seconds=90.0)):
        assert Request.from_json(json.loads(json.dumps(request.to_json()))) == request


def test_values_are_described_in_words() -> None:
    assert Request(network=create("lenet5")).to_json() == {"network": "Network lenet5"}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"epochs": 2, "seconds": 60.0}, "epochs, seconds: give one or the other"),
        ({"network": "lenet5", "pretrained": "resnet50"}, "network, pretrained: give one or the other"),
        ({"freeze": "features"}, "freeze: need pretrained weights"),
        ({"cluster": Cluster("auto", 2, 0.0), "compiled": True}, "compiled: works in one process only"),
    ],
)
def test_settings_that_contradict_each_other_are_named(settings: dict[str, object], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        Request(**settings)


def test_resuming_without_settings_is_the_run_as_it_was_begun() -> None:
    assert Request(data="photos").resumed(FULL, {}) == FULL


def test_what_differs_is_named_each_with_what_the_run_has() -> None:
    with pytest.raises(ResumeError) as error:
        Request(epochs=6, seed=8, side=64).resumed(FULL, {"side": 32})
    assert str(error.value) == "epochs 6: the run has 3; side 64: the run has 32; seed 8: the run has 7"
    assert error.value.told(lambda name: f"--{name}").startswith("--epochs 6: the run has 3")


def test_what_the_run_came_to_is_no_difference() -> None:
    assert Request(side=32).resumed(Request(data="x"), {"side": 32}) == Request(data="x")


def test_what_may_change_is_applied() -> None:
    resumed = Request(decoders=4, recover=False, cluster=Cluster("auto", 5, 1.0)).resumed(FULL, {})
    assert (resumed.decoders, resumed.recover, resumed.cluster) == (4, False, Cluster("auto", 5, 1.0))
    assert resumed.epochs == 3


@given(st.sampled_from([field.name for field in fields(Request)]))
def test_every_setting_is_either_free_or_compared(name: str) -> None:
    values = {"cluster": Cluster("auto", 3, 0.0), "data": "elsewhere", "pretrained": "resnet50", "distill": "hints"}
    begun = (
        Request(data="photos", pretrained="other") if name != "network" else Request(data="photos", network="lenet5")
    )
    asked = {name: values.get(name, "resnet20" if name == "network" else 5)}
    if name in ("epochs", "seconds"):
        begun = Request(data="photos")
    if name in ("freeze", "layer_decay", "unfreeze_every"):
        asked["pretrained"] = "other"
    if name in ("distill", "temperature"):
        begun, asked["teacher"] = replace(begun, teacher="large"), "large"
    request = Request(**asked)
    if name in (*FREE, "data"):
        assert getattr(request.resumed(begun, {}), name) == asked[name]
    else:
        with pytest.raises(ResumeError, match=name):
            request.resumed(begun, {})


@pytest.mark.parametrize(("freeze", "stages"), [("none", 0), ("features", 1), ("stages:1", 1)])
def test_what_is_frozen_is_a_number_of_stages(freeze: str, stages: int) -> None:
    assert frozen_stages(freeze, create("lenet5")) == stages


@pytest.mark.parametrize("freeze", ["all", "stages:", "stages:x", "stages:99"])
def test_what_cannot_be_frozen_is_refused(freeze: str) -> None:
    with pytest.raises(UsageError, match="freeze"):
        frozen_stages(freeze, create("lenet5"))


def test_the_recipe_takes_what_was_asked_for() -> None:
    recipe = Recipe(2, 8, "sgd", 0.1, 0.0)
    changed = Request(accumulate=2, patience=3, recover=True).changed(recipe)
    assert (changed.accumulate, changed.patience, changed.recover, changed.batch_size) == (2, 3, True, 8)
