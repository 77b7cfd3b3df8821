"""Gradient norms are those of the step before any clipping, and measuring them changes nothing."""

import math
from dataclasses import replace
from types import ModuleType

import pytest
import torch

from convsmith.train.recipes.schedule import Updates
from convsmith.train.step.arithmetic import Arithmetic
from convsmith.train.step.gradients import GradientNorms, gradient_norms
from convsmith.train.step.learner import Learner
from convsmith.train.step.objective import ClassificationLoss, TrainingBatch


def learner(tiny: ModuleType, **changes: object) -> Learner:
    module = tiny.module()
    module[5] = torch.nn.Identity()  # no draws
    recipe = replace(tiny.recipe(), **changes)
    return Learner(module, recipe, ClassificationLoss(), Arithmetic(parts=recipe.accumulate), Updates(10))


def step(one: Learner, *, measured: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    batch = TrainingBatch(torch.rand(8, 3, 12, 12, generator=generator), torch.arange(8) % 3, torch.arange(8))
    one.step(batch, 5, measured=measured)


def test_norms_are_of_all_parameters_and_of_each_kernel(tiny: ModuleType) -> None:
    module = tiny.module()
    module(torch.rand(4, 3, 12, 12)).square().sum().backward()
    norms = gradient_norms(module)
    assert set(norms.layers) == {"0", "6"}
    assert norms.layers["6"] == pytest.approx(module[6].weight.grad.norm().item())
    whole = torch.cat([parameter.grad.flatten() for parameter in module.parameters()])
    assert norms.total == pytest.approx(whole.norm().item())


def test_a_module_without_gradients_has_none(tiny: ModuleType) -> None:
    assert gradient_norms(tiny.module()) == GradientNorms(0.0)


def test_measuring_changes_no_bit(tiny: ModuleType) -> None:
    plain, watched = learner(tiny, clip_norm=0.1), learner(tiny, clip_norm=0.1)
    step(plain, measured=False)
    step(watched, measured=True)
    assert plain.gradient_norms is None
    for one, other in zip(plain.module.state_dict().values(), watched.module.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_norms_are_measured_before_clipping(tiny: ModuleType) -> None:
    free, clipped = learner(tiny), learner(tiny, clip_norm=1e-3)
    step(free, measured=True)
    step(clipped, measured=True)
    assert free.gradient_norms == clipped.gradient_norms
    assert free.gradient_norms is not None
    assert free.gradient_norms.total > 1e-2


def test_parts_of_a_batch_have_the_norm_of_the_whole(tiny: ModuleType) -> None:
    one, four = learner(tiny), learner(tiny, accumulate=4)
    for made in (one, four):
        made.module[1] = torch.nn.Identity()  # batch norm would normalise each part by itself
        step(made, measured=True)
    assert one.gradient_norms is not None
    assert four.gradient_norms is not None
    assert math.isclose(one.gradient_norms.total, four.gradient_norms.total, rel_tol=1e-4)


def test_what_is_not_finite_is_none(tiny: ModuleType) -> None:
    module = tiny.module()
    (module(torch.rand(4, 3, 12, 12)).sum() * math.inf).backward()
    norms = gradient_norms(module)
    assert norms.total is None
    assert all(math.isfinite(norm) for norm in norms.layers.values())
