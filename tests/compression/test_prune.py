"""Single weights at zero: how many, which, and that they stay so while training goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from small import Stopping, assert_same_bits, clothes, network, recipe, sample, trained

import convsmith
from convsmith.compression import (
    GradualPruning,
    Pruning,
    held,
    masks_of,
    prune,
    prune_gradually,
    prune_iteratively,
    retrained,
    rewound,
    sensitivity,
)
from convsmith.compression.pruning.magnitude import sparsity_of
from convsmith.compression.sample import loss_and_accuracy
from convsmith.errors import UnknownNameError, UsageError, WeightsError
from convsmith.model import Model, load_model, save_model
from convsmith.network import Preprocess, builder as nn
from convsmith.network.storage import IntegerStorage, with_storage


def model_of(family, shape=(4, 8, 8)) -> Model:
    net = nn.write("test", shape, family)
    classes = tuple(f"class {i}" for i in range(net.classes))
    preprocess = Preprocess(3, shape[1:], 8, (0.5,) * 3, (0.5,) * 3)
    return Model(net, convsmith.build(net, 1).state_dict(), classes, preprocess)


def zeros(model: Model) -> dict[str, float]:
    return {key: float((mask == 0).float().mean()) for key, mask in masks_of(model).items()}


@pytest.mark.parametrize("sparsity", [0.3, 0.5, 0.9])
def test_the_share_of_all_weights_is_pruned_the_smallest_first(sparsity):
    pruned = prune(trained(), Pruning(sparsity)).model
    masks = masks_of(pruned)
    assert sparsity_of(masks) == pytest.approx(sparsity, abs=1e-3)
    gone = max(float(trained().weights[key][~mask].abs().max()) for key, mask in masks.items() if not mask.all())
    assert gone <= min(float(trained().weights[key][mask].abs().min()) for key, mask in masks.items())


def test_layer_by_layer_each_loses_the_share():
    assert set(zeros(prune(trained(), Pruning(0.5, "layer")).model).values()) == {0.5}


def test_a_pattern_leaves_two_of_every_four_neighbours_along_the_input_channels():
    pruned = prune(trained(), Pruning(pattern=(2, 4))).model
    weight = pruned.weights["conv2.weight"]  # (32, 16, 3, 3)
    groups = weight.movedim(1, -1).reshape(-1, 4)
    assert set((groups != 0).sum(1).tolist()) == {2}
    before = trained().weights["conv2.weight"].movedim(1, -1).reshape(-1, 4).abs()
    assert torch.equal(groups.abs().sum(1), before.topk(2, dim=1).values.sum(1))


def test_layers_that_a_pattern_does_not_fit_are_named_with_the_reason():
    reasons = {one.layer: one.reason for one in prune(trained(), Pruning(pattern=(2, 4))).untouched}
    assert reasons["conv1"] == "1 input channels do not divide into groups of 4"
    assert reasons["conv3"] == "1 input channels do not divide into groups of 4"
    assert "batch_norm" in reasons["bn1"]


def test_standardised_filters_are_not_pruned():
    model = model_of(lambda x: nn.linear(nn.global_avg_pool(nn.standardized_conv(x, 8, 3)), 5))
    outcome = prune(model, Pruning(0.5))
    assert {one.layer for one in outcome.touched} == {"fc1"}
    assert "standardises" in outcome.untouched[0].reason


def test_spared_layers_are_not_touched():
    pruned = prune(trained(), Pruning(0.5, spared=("fc2",)))
    assert torch.equal(pruned.model.weights["fc2.weight"], trained().weights["fc2.weight"])
    assert {one.layer: one.reason for one in pruned.untouched}["fc2"] == "spared"


def test_what_was_pruned_counts_and_stays_pruned():
    once = prune(trained(), Pruning(0.5)).model
    twice = prune(once, Pruning(0.7)).model
    assert sparsity_of(masks_of(twice)) == pytest.approx(0.7, abs=1e-3)
    assert all(not (twice.weights[key][~mask] != 0).any() for key, mask in masks_of(once).items())


def test_equal_weights_are_pruned_to_the_share_all_the_same():
    model = model_of(lambda x: nn.linear(nn.flatten(x), 5))
    model = replace(model, weights={**model.weights, "fc1.weight": torch.ones(5, 256)})
    assert zeros(prune(model, Pruning(0.25)).model) == {"fc1.weight": 0.25}


def test_pruned_weights_are_stored_in_float32_where_they_were_not():
    net = with_storage(network(), {"fc1.weight": IntegerStorage(8), "fc2.bias": IntegerStorage(8)})
    grids = {key: {"scale": torch.tensor(0.01)} for key in ("fc1.weight", "fc2.bias")}
    model = replace(trained(), network=net, grids=grids)
    assert [one.parameter for one in prune(model, Pruning(0.5)).model.network.storage] == ["fc2.bias"]


def test_held_masks_survive_training_and_its_moving_average():
    pruned = prune(trained(), Pruning(0.8)).model
    after = retrained(pruned, clothes(), recipe(), after_update=held(masks_of(pruned)))
    assert all(not after.weights[key][~mask].any() for key, mask in masks_of(pruned).items())
    assert loss_and_accuracy(after, sample("test"))[0] < loss_and_accuracy(pruned, sample("test"))[0]


def test_the_gradual_schedule_is_cubic():
    gradual = GradualPruning(network(), Pruning(0.8), begin=100, end=300)
    found = [gradual.sparsity(number) for number in (0, 100, 200, 300, 400)]
    assert found == pytest.approx([0, 0, 0.8 * (1 - 0.5**3), 0.8, 0.8])


def test_gradual_pruning_ends_at_its_sparsity():
    outcome = prune_gradually(trained(), clothes(), recipe(), Pruning(0.8))
    assert sparsity_of(masks_of(outcome.model)) == pytest.approx(0.8, abs=1e-3)
    assert sum(one.after for one in outcome.touched) < 0.3 * sum(one.before for one in outcome.touched)


def test_gradual_pruning_stopped_and_carried_on_gives_the_same_bits(tmp_path):
    straight = prune_gradually(trained(), clothes(), recipe(3), Pruning(0.8)).model
    with pytest.raises(KeyboardInterrupt):
        prune_gradually(trained(), clothes(), recipe(3), Pruning(0.8), folder=tmp_path, observers=[Stopping(2)])
    assert_same_bits(straight, prune_gradually(trained(), clothes(), recipe(3), Pruning(0.8), folder=tmp_path).model)


def test_pruning_in_rounds_stopped_and_carried_on_gives_the_same_bits(tmp_path):
    straight = prune_iteratively(trained(), clothes(), recipe(), Pruning(0.8), 2).model
    with pytest.raises(KeyboardInterrupt):
        prune_iteratively(trained(), clothes(), recipe(), Pruning(0.8), 2, folder=tmp_path, observers=[Stopping(3)])
    carried_on = prune_iteratively(trained(), clothes(), recipe(), Pruning(0.8), 2, folder=tmp_path).model
    assert_same_bits(straight, carried_on)
    assert sparsity_of(masks_of(carried_on)) == pytest.approx(0.8, abs=1e-3)


def test_rewinding_takes_the_early_weights_where_any_are_left():
    early = Model(network(), convsmith.build(network(), 3).state_dict(), trained().classes, trained().preprocess)
    pruned = prune(trained(), Pruning(0.6)).model
    back = rewound(pruned, early)
    mask = masks_of(pruned)["conv2.weight"]
    assert torch.equal(back.weights["conv2.weight"], early.weights["conv2.weight"] * mask)
    assert torch.equal(back.weights["bn1.weight"], early.weights["bn1.weight"])


def test_rewinding_to_another_network_is_refused():
    other = model_of(lambda x: nn.linear(nn.flatten(x), 5))
    with pytest.raises(WeightsError):
        rewound(prune(trained(), Pruning(0.5)).model, other)


def test_rounds_with_rewinding_train_from_the_early_weights(tmp_path):
    early = Model(network(), convsmith.build(network(), 3).state_dict(), trained().classes, trained().preprocess)
    outcome = prune_iteratively(trained(), clothes(), recipe(1), Pruning(0.5), 1, early=early)
    masks = masks_of(prune(trained(), Pruning(0.5)).model)
    assert all(not outcome.model.weights[key][~mask].any() for key, mask in masks.items())
    start = rewound(prune(trained(), Pruning(0.5)).model, early)
    moved = (outcome.model.weights["conv2.weight"] - start.weights["conv2.weight"]).norm()
    assert moved < (outcome.model.weights["conv2.weight"] - trained().weights["conv2.weight"]).norm()


def test_the_sensitivity_scan_prunes_one_layer_at_a_time():
    found = sensitivity(trained(), sample("test"), (0.5, 0.95))
    assert found.layers == ("conv1", "conv2", "conv3", "conv4", "fc1", "fc2")
    alone = prune(trained(), Pruning(0.95, "layer", spared=tuple(set(found.layers) - {"conv2"}))).model
    assert found.accuracies[1][1] == loss_and_accuracy(alone, sample("test"))[1]
    assert found.losses[1][1] > found.losses[1][0] >= found.loss - 0.05


def test_the_scan_is_drawn(tmp_path):
    found = sensitivity(trained(), sample("test"), (0.5,))
    found.plot(tmp_path / "scan.png")
    assert Image.open(tmp_path / "scan.png").width > 500
    with pytest.raises(UsageError, match="path"):
        found.plot(tmp_path / "scan.exe")
    assert "conv2" in str(found)


def test_a_pruned_model_is_read_back(tmp_path: Path):
    pruned = prune(trained(), Pruning(0.9)).model
    save_model(pruned, tmp_path / "m.safetensors")
    assert sparsity_of(masks_of(load_model(tmp_path / "m.safetensors"))) == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize("wrong", [
    {"sparsity": 1.0},
    {"sparsity": -0.1},
    {"pattern": (4, 4)},
    {"pattern": (2, 4), "sparsity": 0.3},
])  # fmt: skip
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError):
        Pruning(**wrong)


def test_a_spared_layer_that_there_is_not_is_named():
    with pytest.raises(UnknownNameError, match="conv9"):
        prune(trained(), Pruning(0.5, spared=("conv9",)))
