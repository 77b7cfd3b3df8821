"""Short trials on a copy of the module before training: how long an epoch takes, and which learning rate it bears."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import torch
from torch import nn

from convsmith.data.dataset import Dataset
from convsmith.data.loader import Batch, Loader, Training
from convsmith.errors import DataError, UsageError
from convsmith.evaluate.inference import device_of, evaluating
from convsmith.network.preprocess import Preprocess
from convsmith.train.freeze import Stages, frozen_stages, train_from
from convsmith.train.objective import Objective
from convsmith.train.recipe import Recipe
from convsmith.train.schedule import Schedule
from convsmith.train.step import Learner

MEASURED_SECONDS = 3.0
"""What timing the steps may take, and timing the evaluation once more."""

SLACK = 0.95
"""The share of the budget that is planned: the rest is for what else the machine does."""

LOWEST, HIGHEST, STEPS = 1e-5, 10.0, 100
"""The rates of the range test, and its updates."""

RISEN = 4.0
"""Times the lowest loss at which the range test ends."""


@dataclass(frozen=True)
class Pace:
    """Seconds for an epoch of training with its validation, and for an image of evaluation."""

    epoch: float
    image: float


def pace_of(
    module: nn.Module,
    dataset: Dataset,
    preprocess: Preprocess,
    recipe: Recipe,
    objective: Objective,
    stages: Stages = (),
) -> Pace:
    """Times real steps and evaluation batches, data loading included, on a copy of the module."""
    loader = _training_loader(module, dataset, preprocess, recipe)
    learner = _learner(module, recipe, len(loader), objective, stages)
    step = _seconds_each(lambda batch: learner.step(batch.images, batch.labels, 0).item(), loader)
    judge = Loader(
        dataset.splits.get("val", dataset.split("train")), preprocess, recipe.batch_size, device=device_of(module)
    )
    with evaluating(learner.module), torch.inference_mode():
        image = _seconds_each(lambda batch: learner.module(batch.images), judge) / recipe.batch_size
    validated = len(dataset.splits["val"]) if "val" in dataset.splits else 0
    return Pace(step * len(loader) + image * validated, image)


def epochs_within(seconds: float, pace: Pace, tested: int) -> int:
    """Epochs that end in time, with the test and its repetition in the exported format. Raises UsageError for none."""
    left = SLACK * seconds - 2 * tested * pace.image
    if left < pace.epoch:
        least = math.ceil((pace.epoch + 2 * tested * pace.image) / SLACK)
        raise UsageError(
            f"--time leaves {max(0, seconds):.0f} s for training; one epoch and the test take {least} s here"
        )
    return int(left / pace.epoch)


def highest_rate(
    module: nn.Module,
    dataset: Dataset,
    preprocess: Preprocess,
    recipe: Recipe,
    objective: Objective,
    stages: Stages = (),
) -> float:
    """A tenth of the rate at which the loss is lowest while the rate grows exponentially (Smith 2017, section 3.3).

    arXiv 1506.01186; the tenth is fast.ai's. Trains a copy of the module for `STEPS` updates at most.
    """
    loader = _training_loader(module, dataset, preprocess, recipe)
    flat = replace(recipe, learning_rate=1.0, schedule=Schedule("constant"), warmup_epochs=0.0)
    learner = _learner(module, flat, STEPS, objective, stages)
    rates: list[float] = [LOWEST * (HIGHEST / LOWEST) ** (number / (STEPS - 1)) for number in range(STEPS)]
    losses: list[float] = []
    for epoch in range(STEPS):
        with closing(loader.epoch(epoch)) as batches:
            for batch in batches:
                learner.rate_share = rates[len(losses)]
                losses.append(learner.step(batch.images, batch.labels, len(losses)).item())
                smooth = smoothed(losses)
                if len(losses) == STEPS or not smooth[-1] < RISEN * min(smooth):
                    return rates[smooth.index(min(smooth))] / 10.0
    raise DataError(f"no image of the train split can be read any more: {loader.unreadable[0]}")


def smoothed(values: Sequence[float], share: float = 0.9) -> list[float]:
    """The exponential moving average up to each value, without its bias to 0; infinite from the first nan on."""
    average, means = 0.0, []
    for number, value in enumerate(values, 1):
        average = share * average + (1 - share) * value
        means.append(average / (1 - share**number) if math.isfinite(average) else math.inf)
    return means


def _training_loader(module: nn.Module, dataset: Dataset, preprocess: Preprocess, recipe: Recipe) -> Loader:
    training = Training(recipe.seed, recipe.augment, recipe.repeats)
    return Loader(dataset.split("train"), preprocess, recipe.batch_size, training=training, device=device_of(module))


def _learner(module: nn.Module, recipe: Recipe, steps: int, objective: Objective, stages: Stages = ()) -> Learner:
    trial = copy.deepcopy(module)
    learner = Learner(
        trial,
        recipe,
        objective,
        recipe.memory_format or "contiguous",
        recipe.precision or "float32",
        total_steps=steps,
        stages=stages,
    )
    train_from(trial, stages, frozen_stages(recipe.fine_tuning, epoch=0), recipe.fine_tuning.norms)
    return learner


def _seconds_each(work: Callable[[Batch], object], loader: Loader) -> float:
    """The mean over the batches that fit `MEASURED_SECONDS`, loading included; of several, the first does not count."""
    ends = [time.perf_counter()]
    with closing(loader.epoch()) as batches:
        for batch in batches:
            work(batch)
            ends.append(time.perf_counter())
            if len(ends) > 2 and ends[-1] - ends[1] > MEASURED_SECONDS:
                break
    counted = ends[1:] if len(ends) > 2 else ends
    return (counted[-1] - counted[0]) / (len(counted) - 1)
