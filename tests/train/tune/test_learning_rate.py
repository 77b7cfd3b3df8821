import math
from dataclasses import replace
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F

from convsmith.train.step.arithmetic import Arithmetic
from convsmith.train.step.objective import MeanLoss, as_objective
from convsmith.train.tune.learning_rate import highest_rate, smoothed


def scaled(factor: float) -> MeanLoss:
    return lambda outputs, batch, module: factor * F.cross_entropy(outputs, batch.targets)


def found(tiny: ModuleType, factor: float, module: torch.nn.Module | None = None, **changes: object) -> float:
    return highest_rate(
        module or tiny.module(),
        tiny.in_memory(),
        tiny.PREPROCESS,
        replace(tiny.recipe(), **changes),
        objective=as_objective(scaled(factor)),
        arithmetic=Arithmetic(),
    )


def test_the_range_test_finds_a_rate_that_trains_and_leaves_the_module_alone(tiny: ModuleType) -> None:
    module = tiny.module()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert 1e-4 < found(tiny, 1, module) < 1
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_the_rate_found_is_lower_where_the_loss_is_steeper(tiny: ModuleType) -> None:
    assert found(tiny, 30, weight_decay=0.0) < found(tiny, 1, weight_decay=0.0)


def test_smoothing_begins_without_bias_and_never_forgets_a_nan() -> None:
    assert smoothed([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0])
    assert smoothed([2.0, math.nan, 2.0])[1:] == [math.inf, math.inf]
