"""Which batch `--batch-size auto` takes."""

import json
from dataclasses import replace
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

import convsmith
from convsmith.train.recipes.default import with_batch
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.step.objective import ClassificationLoss
from convsmith.train.tune.batch_size import _fits, candidates, chosen, fastest_batch

RECIPE = Recipe(1, 64, "sgd", learning_rate=0.1, weight_decay=0.01)
NORMED = convsmith.create("resnet20", classes=3)
PLAIN = convsmith.create("lenet5", classes=3)


def test_half_to_four_times_the_batch_is_measured() -> None:
    assert candidates(RECIPE, 100_000, lambda batch: True) == ([32, 64, 128, 256], [])


def test_an_epoch_keeps_a_hundred_updates_unless_the_recipe_has_fewer() -> None:
    sizes, reasons = candidates(RECIPE, 12_900, lambda batch: True)
    assert (sizes, reasons) == ([32, 64, 128], ["with 256 an epoch would have fewer than 100 updates"])
    assert candidates(RECIPE, 500, lambda batch: True)[0] == [32, 64]


def test_what_may_not_fit_the_memory_is_not_tried_but_the_recipes_own_batch_is() -> None:
    sizes, reasons = candidates(RECIPE, 100_000, lambda batch: batch < 10)
    assert (sizes, reasons) == ([32, 64], ["128 may not fit the memory"])


def test_batches_stay_large_enough_for_statistics_and_parts() -> None:
    assert candidates(replace(RECIPE, batch_size=8), 1_000, lambda batch: True)[0] == [8]
    assert candidates(replace(RECIPE, accumulate=50), 1_000, lambda batch: True)[0] == [64]


def test_the_smallest_batch_within_5_percent_of_the_fastest_is_taken() -> None:
    batch, reason = chosen(64, {32: 90.0, 64: 96.0, 128: 100.0}, "256 does not fit the memory")
    assert batch == 64
    assert reason == (
        "batch 64, the smallest within 5% of the fastest "
        "(measured: 32: 90/s, 64: 96/s, 128: 100/s; 256 does not fit the memory)"
    )


def test_the_recipes_batch_stays_where_it_could_not_be_measured() -> None:
    batch, reason = chosen(64, {32: 90.0}, "64 not measured: a step would take 30 s")
    assert (batch, reason) == (64, "batch 64, as the recipe has it; 64 not measured: a step would take 30 s")


@pytest.mark.parametrize(
    ("network", "optimizer", "rate"),
    [(NORMED, "sgd", 0.4), (NORMED, "rmsprop", 0.4), (NORMED, "lamb", 0.2), (PLAIN, "sgd", 0.2)],
)
def test_the_rate_follows_the_batch_linearly_with_batch_norm_else_by_its_root(
    network: convsmith.Network, optimizer: str, rate: float
) -> None:
    scaled = with_batch(replace(RECIPE, optimizer=optimizer), network, 256)
    assert (scaled.batch_size, scaled.learning_rate) == (256, pytest.approx(rate))
    assert with_batch(scaled, network, 64).learning_rate == pytest.approx(0.1)


def small() -> convsmith.Network:
    return convsmith.create("lenet5", classes=3, input=(3, 32, 32))


def test_the_batch_is_measured_and_the_module_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convsmith.train.tune.batch_size.MEASURED_SECONDS", 1.0)
    module = convsmith.build(small())
    before = {name: value.clone() for name, value in module.state_dict().items()}
    recipe = replace(RECIPE, memory_format="contiguous", precision="float32")
    batch, reason = fastest_batch(module, small(), recipe, ClassificationLoss(), 100_000)
    assert batch in (32, 64, 128, 256)
    assert reason.startswith(f"batch {batch}, the smallest within 5%")
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_batch_that_memory_does_not_hold_ends_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(layer: nn.Module, inputs: tuple[Tensor]) -> None:
        if len(inputs[0]) > 64:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")

    monkeypatch.setattr("convsmith.train.tune.batch_size.MEASURED_SECONDS", 1.0)
    module = convsmith.build(small())
    module.register_forward_pre_hook(full)
    monkeypatch.setattr("copy.deepcopy", lambda module: module)  # fx forgets hooks in copies
    recipe = replace(RECIPE, memory_format="contiguous", precision="float32")
    batch, reason = fastest_batch(module, small(), recipe, ClassificationLoss(), 100_000)
    assert batch <= 64
    assert "128 does not fit the memory" in reason


def test_memory_is_asked_for_before_a_batch_is_tried() -> None:
    assert _fits(small(), torch.device("cpu"), 8)
    assert not _fits(small(), torch.device("cpu"), 10**9)


def test_a_recipe_with_another_batch_survives_json(tiny: ModuleType) -> None:
    recipe = with_batch(tiny.recipe(), small(), 32)
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
