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

from convsmith.backend.torch import build
from convsmith.data.dataset import SMALL_SIDE, Dataset
from convsmith.data.load.loader import Batch, Loader
from convsmith.data.load.workers import Training
from convsmith.errors import DataError, UsageError
from convsmith.evaluate.inference import best_device, device_of, evaluating
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.train.recipes.recipe import Precision, Recipe
from convsmith.train.recipes.schedule import Schedule
from convsmith.train.step.freeze import Stages, frozen_stages, train_from
from convsmith.train.step.learner import Learner
from convsmith.train.step.objective import Objective
from convsmith.train.tune.plan import bfloat16_is_slow
from convsmith.transform.commute import pool_before_rectifier

MEASURED_SECONDS = 3.0
"""What timing the steps may take, and timing the evaluation once more."""

SLACK = 0.95
"""The share of the budget that is planned: the rest is for what else the machine does."""

LOWEST, HIGHEST, STEPS = 1e-5, 10.0, 100
"""The rates of the range test, and its updates."""

RISEN = 4.0
"""Times the lowest loss at which the range test ends."""

TRIAL_BATCH, TRIALS = 128, 3
"""Images of a step that a network is tried with before it is chosen, an eighth of them for photographs; and steps."""


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
    step = seconds_each(lambda batch: learner.step(batch.images, batch.labels, 0).item(), loader)
    judge = Loader(
        dataset.splits.get("val", dataset.split("train")), preprocess, recipe.batch_size, device=device_of(module)
    )
    with evaluating(learner.module), torch.inference_mode():
        image = seconds_each(lambda batch: learner.module(batch.images), judge) / recipe.batch_size
    validated = len(dataset.splits["val"]) if "val" in dataset.splits else 0
    return Pace(step * len(loader) + image * validated, image)


def seconds_an_image(network: Network) -> float:
    """Seconds that a training step takes for one image here, in the arithmetic that is usually fastest.

    The best of a few steps on random images, after one that warms up.
    """
    device = best_device()
    precision: Precision = "float32" if bfloat16_is_slow(device) else "bfloat16"
    batch = TRIAL_BATCH if network.input[1] <= SMALL_SIDE else TRIAL_BATCH // 8
    recipe = Recipe(1, batch, "sgd", learning_rate=1e-3, weight_decay=0.0)
    module = build(pool_before_rectifier(network)).to(device)
    objective = Objective(auxiliary_weights=tuple(head.weight for head in network.auxiliary))
    learner = Learner(module, recipe, objective, "channels_last", precision, total_steps=1)
    images, labels = torch.rand(batch, *network.input, device=device), torch.zeros(batch, dtype=torch.int64)
    seconds = []
    for _ in range(1 + TRIALS):
        start = time.perf_counter()
        learner.step(images, labels.to(device), 0).item()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:]) / batch


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
    raise _unreadable(loader)


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


def seconds_each(work: Callable[[Batch], object], loader: Loader, limit: float = MEASURED_SECONDS) -> float:
    """The mean time of a batch over those that fit the limit in seconds, loading included; of several, the first does
    not count. Raises DataError where no image can be read."""
    ends = [time.perf_counter()]
    with closing(loader.epoch()) as batches:
        for batch in batches:
            work(batch)
            ends.append(time.perf_counter())
            if len(ends) > 2 and ends[-1] - ends[1] > limit:
                break
    if len(ends) == 1:
        raise _unreadable(loader)
    counted = ends[1:] if len(ends) > 2 else ends
    return (counted[-1] - counted[0]) / (len(counted) - 1)


def _unreadable(loader: Loader) -> DataError:
    return DataError(f"no image can be read any more: {loader.unreadable[0]}")
