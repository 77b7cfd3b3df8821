from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch

from convsmith.backend.torch import build
from convsmith.errors import UsageError
from convsmith.network import builder as nn
from convsmith.train.recipes.recipe import FineTuning, Recipe
from convsmith.train.step.freeze import frozen_stages, train_from
from convsmith.train.step.learner import make_optimizer

STAGES = (("0", "1"), ("6",))
"""Of `tiny.module`: convolution and norm, then the classifier."""


def test_a_frozen_stage_is_thawed_every_so_many_epochs_the_last_first():
    tuning = FineTuning(frozen_stages=3, unfreeze_every=2)
    assert [frozen_stages(tuning, epoch) for epoch in range(9)] == [3, 3, 2, 2, 1, 1, 0, 0, 0]
    assert frozen_stages(FineTuning(frozen_stages=3), 100) == 3


def test_earlier_stages_learn_more_slowly():
    made = make_optimizer(tiny.module(), replace(tiny.recipe(), fine_tuning=FineTuning(layer_decay=0.5)), STAGES)
    shares = {tuple(p.shape): group["lr_scale"] for group in made.param_groups for p in group["params"]}
    assert shares[6, 3, 3, 3] == 0.5
    assert shares[3, 24] == 1.0


def test_a_frozen_layer_gets_no_gradient_and_its_norm_keeps_its_statistics():
    module = tiny.module()
    train_from(module, STAGES, 1)
    before = module[1].running_mean.clone()
    module(torch.rand(4, 3, 12, 12)).sum().backward()
    assert module[0].weight.grad is None
    assert module[6].weight.grad is not None
    assert torch.equal(module[1].running_mean, before)
    train_from(module, STAGES, 0)
    module(torch.rand(4, 3, 12, 12)).sum().backward()
    assert module[0].weight.grad is not None
    assert not torch.equal(module[1].running_mean, before)


def test_the_last_batch_norms_of_frozen_stages_may_be_trained():
    module = tiny.module()
    train_from(module, STAGES, 1, norms=1)
    before = module[1].running_mean.clone()
    module(torch.rand(4, 3, 12, 12)).sum().backward()
    assert module[0].weight.grad is None
    assert module[1].weight.grad is not None
    assert not torch.equal(module[1].running_mean, before)
    train_from(module, STAGES, 1, norms=0)
    assert not module[1].weight.requires_grad


def test_norms_are_counted_from_the_last():
    module = torch.nn.Sequential(*(torch.nn.BatchNorm2d(3) for _ in range(3)), torch.nn.Linear(3, 3))
    train_from(module, (("0", "1"), ("2",), ("3",)), 2, norms=2)
    assert [layer.training for layer in module] == [False, True, True, True]


def two_stages(x):
    x = nn.relu(nn.batch_norm(nn.conv(x, 6, 3, name="conv"), name="norm"))
    return nn.linear(nn.flatten(nn.global_avg_pool(x)), 3, name="classifier")


def trained(run_dir: Path, recipe: Recipe):
    module = build(nn.write("two_stages", (3, 12, 12), two_stages))
    initial = {name: value.clone() for name, value in module.state_dict().items()}
    tiny.train(module, tiny.in_memory(), recipe, run_dir)
    return initial, module.state_dict()


def changed(initial, final) -> set[str]:
    return {name for name in initial if not torch.equal(initial[name], final[name])}


def test_training_changes_the_stages_that_are_not_frozen(tmp_path):
    recipe = replace(tiny.recipe(2), fine_tuning=FineTuning(frozen_stages=1))
    assert changed(*trained(tmp_path / "frozen", recipe)) == {"classifier.weight", "classifier.bias"}
    norms = replace(recipe, fine_tuning=FineTuning(frozen_stages=1, norms=1))
    assert changed(*trained(tmp_path / "norms", norms)) == {
        *{f"norm.{part}" for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")},
        *{"classifier.weight", "classifier.bias"},
    }
    thawing = replace(recipe, fine_tuning=FineTuning(frozen_stages=1, unfreeze_every=1))
    assert changed(*trained(tmp_path / "thawing", thawing)) >= {"conv.weight", "norm.running_mean", "classifier.weight"}


def test_a_recipe_keeps_its_fine_tuning_as_json():
    recipe = replace(tiny.recipe(), fine_tuning=FineTuning(2, 0.5, 3, 1))
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    "values", [{"frozen_stages": -1}, {"layer_decay": 0.0}, {"layer_decay": 1.5}, {"unfreeze_every": 0}, {"norms": -1}]
)
def test_a_value_out_of_range_is_named(values):
    with pytest.raises(UsageError, match=next(iter(values))):
        FineTuning(**values)
