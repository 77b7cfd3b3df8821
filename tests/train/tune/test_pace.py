import math
from dataclasses import replace
from types import ModuleType

import pytest
import torch

from convsmith import create
from convsmith.errors import UsageError
from convsmith.train.step.objective import Objective
from convsmith.train.tune.pace import Pace, epochs_within, highest_rate, pace_of, seconds_an_image, smoothed


def test_as_many_epochs_as_fit_with_the_test_after_them() -> None:
    assert epochs_within(100, Pace(epoch=9.0, image=0.01), tested=100) == 10  # 95 s, less 2 s of testing
    assert epochs_within(100, Pace(epoch=92.9, image=0.01), tested=100) == 1


def test_too_little_time_names_the_least() -> None:
    with pytest.raises(UsageError, match=r"leaves 10 s for training; one epoch and the test take 22 s here"):
        epochs_within(10, Pace(epoch=20.0, image=0.001), tested=100)


def test_the_pace_is_that_of_a_whole_epoch_and_the_module_stays_as_it_was(tiny: ModuleType) -> None:
    module = tiny.module()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    pace = pace_of(module, tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(), Objective())
    assert 0 < pace.image < pace.epoch
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_the_range_test_finds_a_rate_that_trains_and_leaves_the_module_alone(tiny: ModuleType) -> None:
    module = tiny.module()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    rate = highest_rate(module, tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(), Objective())
    assert 1e-4 < rate < 1
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_the_rate_found_is_lower_where_the_loss_is_steeper(tiny: ModuleType) -> None:
    def steep(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return 30 * Objective.total(Objective(), outputs, labels)

    objective = Objective()
    gentle = highest_rate(tiny.module(), tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(), objective)
    object.__setattr__(objective, "total", steep)
    recipe = replace(tiny.recipe(), weight_decay=0.0)
    assert highest_rate(tiny.module(), tiny.in_memory(), tiny.PREPROCESS, recipe, objective) < gentle


def test_smoothing_begins_without_bias_and_never_forgets_a_nan() -> None:
    assert smoothed([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0])
    assert smoothed([2.0, math.nan, 2.0])[1:] == [math.inf, math.inf]


def test_a_larger_network_takes_longer_for_an_image() -> None:
    small, large = (create(name, classes=4, input=(1, 16, 16)) for name in ("resnet20", "resnet110"))
    assert 0 < seconds_an_image(small) < seconds_an_image(large)
