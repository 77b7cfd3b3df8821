"""One image, or parts of one, through batch norms whose maps are single pixels."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from convsmith.train.recipes.recipe import Recipe
from convsmith.train.recipes.schedule import Updates
from convsmith.train.step.arithmetic import Arithmetic
from convsmith.train.step.learner import Learner
from convsmith.train.step.objective import ClassificationLoss, TrainingBatch
from convsmith.train.step.single import single_values_allowed

RECIPE = Recipe(1, 8, "sgd", learning_rate=0.1, weight_decay=0.01)


def module() -> nn.Sequential:
    torch.manual_seed(0)
    pool = nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), pool, nn.BatchNorm2d(4)),
        *(nn.Flatten(), nn.BatchNorm1d(4), nn.Linear(4, 5)),
    )


def batch(count: int) -> TrainingBatch:
    return TrainingBatch(torch.rand(count, 3, 8, 8), torch.arange(count) % 5, torch.arange(count))


@pytest.mark.parametrize(("count", "parts"), [(1, 1), (3, 3), (5, 4)])
def test_a_step_of_single_images_is_one(count: int, parts: int) -> None:
    made = module()
    learner = Learner(made, RECIPE, ClassificationLoss(0.1), replace(Arithmetic(), parts=parts), Updates(10))
    assert torch.isfinite(learner.step(batch(count), 0))
    assert all(torch.isfinite(parameter).all() for parameter in made.parameters())
    assert [type(layer) for layer in made] == [type(layer) for layer in module()]


def test_single_values_are_normalised_by_the_running_statistics_and_others_by_their_own() -> None:
    norm = nn.BatchNorm2d(4).train()
    norm.running_mean, norm.running_var = torch.arange(4.0), torch.arange(1.0, 5.0)
    plain = nn.BatchNorm2d(4).train()
    single, several = torch.rand(1, 4, 1, 1), torch.rand(1, 4, 3, 3)
    with single_values_allowed(nn.Sequential(norm)):
        torch.testing.assert_close(norm(several), plain(several))
        before = norm.running_mean.clone()
        found = norm(single)
        assert torch.equal(norm.running_mean, before)
    torch.testing.assert_close(found, norm.eval()(single))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        norm.train()(single)
