"""The highest learning rate that training bears, by a range test on a copy of the module."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import torch
from torch import nn

from convsmith.data.dataset import Dataset
from convsmith.data.load.loader import Loader
from convsmith.data.load.workers import EpochOrder
from convsmith.errors import DataError
from convsmith.evaluation.inference import device_of
from convsmith.network.preprocess import Preprocess
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.recipes.schedule import Schedule, Updates
from convsmith.train.step.arithmetic import Arithmetic
from convsmith.train.step.freeze import Stages, frozen_stages, train_from
from convsmith.train.step.learner import Learner
from convsmith.train.step.objective import Objective, TrainingBatch

LOWEST, HIGHEST, UPDATES = 1e-5, 10.0, 100
"""The rates of the range test, and its updates."""

RISEN = 4.0
"""Times the lowest loss at which the range test ends."""


def highest_rate(
    module: nn.Module,
    dataset: Dataset,
    preprocess: Preprocess,
    recipe: Recipe,
    *,
    objective: Objective,
    arithmetic: Arithmetic,
    stages: Stages = (),
) -> float:
    """A tenth of the rate at which the loss is lowest while the rate grows exponentially (Smith 2017, section 3.3).

    arXiv 1506.01186; the tenth is fast.ai's. Trains a copy of the module for `UPDATES` updates at most.
    Raises DataError where no image can be read.
    """
    training = EpochOrder(recipe.seed, recipe.augment, recipe.repeats)
    loader = Loader(dataset.split("train"), preprocess, recipe.batch_size, training=training, device=device_of(module))
    flat = replace(recipe, learning_rate=1.0, schedule=Schedule("constant"), warmup_epochs=0.0)
    trial = copy.deepcopy(module)
    learner = Learner(trial, flat, objective, arithmetic, Updates(UPDATES), stages=stages)
    train_from(trial, stages, frozen_stages(recipe.fine_tuning, epoch=0), recipe.fine_tuning.norms)
    rates: list[float] = [LOWEST * (HIGHEST / LOWEST) ** (number / (UPDATES - 1)) for number in range(UPDATES)]
    losses: list[float] = []
    for epoch in range(UPDATES):
        with closing(loader.epoch(epoch)) as batches:
            for images in batches:
                learner.lr_scale = rates[len(losses)]
                batch = TrainingBatch(images.images, images.labels, torch.from_numpy(images.rows))
                losses.append(learner.step(batch, len(losses)).item())
                smooth = smoothed(losses)
                if len(losses) == UPDATES or not smooth[-1] < RISEN * min(smooth):
                    return rates[smooth.index(min(smooth))] / 10.0
    raise DataError(f"no training image is readable any more: {loader.unreadable[0]}")


def smoothed(values: Sequence[float], share: float = 0.9) -> list[float]:
    """The exponential moving average up to each value, without its bias to 0; infinite from the first nan on."""
    average, means = 0.0, []
    for number, value in enumerate(values, 1):
        average = share * average + (1 - share) * value
        means.append(average / (1 - share**number) if math.isfinite(average) else math.inf)
    return means
