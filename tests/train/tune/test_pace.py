from dataclasses import replace
from types import ModuleType

import pytest
import torch
from hypothesis import given, strategies as st

from convsmith import create
from convsmith.data.augment.augment import Augment
from convsmith.errors import UsageError
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.step.arithmetic import Arithmetic
from convsmith.train.step.objective import ClassificationLoss
from convsmith.train.task import Task
from convsmith.train.tune.arithmetic import Tuned
from convsmith.train.tune.pace import Pace, pace_of, seconds_an_image, within_seconds

RECIPE = Recipe(20, 8, "sgd", learning_rate=0.1, weight_decay=0.0, warmup_epochs=2.0)
PACE = Pace(update=0.1, validation=0.5, checkpoint=0.5)


def test_whole_epochs_are_planned_where_they_fill_the_time() -> None:
    planned = within_seconds(RECIPE, 110, PACE, updates_an_epoch=100)  # an epoch takes 11 s
    assert (planned.epochs, planned.epoch_steps, planned.warmup_epochs) == (10, None, 1.0)


def test_what_is_left_is_filled_with_epochs_of_a_part_of_the_images() -> None:
    planned = within_seconds(RECIPE, 16.5, PACE, updates_an_epoch=100)
    assert (planned.epochs, planned.epoch_steps) == (2, 72)  # 8.25 s each, one of them validation and checkpoint
    assert within_seconds(RECIPE, 6, PACE, updates_an_epoch=100).epoch_steps == 50


@given(st.floats(2, 10_000), st.floats(1e-3, 1), st.floats(0, 1), st.integers(1, 5000))
def test_the_plan_takes_the_time_but_for_an_update_an_epoch_or_one_short_epoch(
    seconds: float, update: float, validation: float, updates: int
) -> None:
    pace = Pace(update, validation, 0.0)
    planned = within_seconds(RECIPE, seconds, pace, updates)
    steps = planned.epoch_steps or updates
    assert 1 <= steps <= updates
    taken = pace.seconds(planned, planned.epochs * steps)
    assert taken <= seconds * (1 + 1e-4)
    unused = planned.epochs * update if planned.epoch_steps else updates * update + validation
    assert taken > seconds - unused - 1e-3


def test_too_little_time_names_the_least() -> None:
    with pytest.raises(UsageError, match=r"1 s are left for training; one update and its validation take 3 s here"):
        within_seconds(RECIPE, 1, Pace(update=2.0, validation=0.5, checkpoint=0.0), updates_an_epoch=10)


def test_the_pace_is_that_of_the_runs_own_steps_and_the_module_stays_as_it_was(tiny: ModuleType) -> None:
    module = tiny.module()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    recipe = replace(tiny.recipe(), augment=Augment())
    task = Task(module, tiny.in_memory(), tiny.PREPROCESS, recipe, ClassificationLoss())
    pace = pace_of(task, Tuned(Arithmetic(batch_size=8), decoders=0))
    assert pace.update > 0
    assert pace.validation > 0
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_larger_network_takes_longer_for_an_image() -> None:
    small, large = (create(name, classes=4, input=(1, 16, 16)) for name in ("resnet20", "resnet110"))
    assert 0 < seconds_an_image(small) < seconds_an_image(large)
