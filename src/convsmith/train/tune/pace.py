"""How long a training takes here: real steps and validations are timed before it, and its length is planned by them."""

from __future__ import annotations

import copy
import math
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from convsmith.backend.torch import build
from convsmith.cost import cost_of
from convsmith.data.dataset import SMALL_SIDE
from convsmith.errors import UsageError
from convsmith.evaluation.inference import best_device
from convsmith.network.network import Network
from convsmith.train.recipes.default import BATCH
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.recipes.schedule import Updates
from convsmith.train.run.checkpoint import CheckpointFolder
from convsmith.train.run.run import Run
from convsmith.train.step.arithmetic import Arithmetic
from convsmith.train.step.learner import Learner
from convsmith.train.step.objective import ClassificationLoss
from convsmith.train.task import Task
from convsmith.train.tune.arithmetic import Tuned, bfloat16_is_slow, step_seconds
from convsmith.transform.reorder import pool_before_rectifier

MEASURED_SECONDS = 4.0
"""What timing the steps may take, and timing the evaluation once more."""

WARM_STEPS = 2
"""Steps that do not count: the first ones allocate and choose kernels."""

TRIALS = 3
"""Steps that a network is tried with before it is chosen. They have an eighth of the usual batch for photographs."""

TRIAL_MACS, FEWEST_IMAGES = 4e9, 4
"""On a CPU such a step has no more images than take so many multiply-adds, but at least a few: networks that could be
taken are timed on full batches, and hopeless ones are not waited for."""


@dataclass(frozen=True)
class Pace:
    """Seconds for an update, its batch prepared and the loop around it; for an epoch's validation; for a checkpoint."""

    update: float
    validation: float
    checkpoint: float

    def seconds(self, recipe: Recipe, updates: int) -> float:
        """What so many updates in `recipe.epochs` epochs take."""
        return updates * self.update + recipe.epochs * (self.validation + self.checkpoint)


def pace_of(task: Task, tuned: Tuned) -> Pace:
    """Times the run's own steps, validation and checkpoint on a copy of its module, data loading included.

    Raises DataError where no image can be read.
    """
    run = Run(replace(task, module=copy.deepcopy(task.module)), tuned)
    with closing(run.train_epoch()) as steps:
        update = _seconds_of_a_step(steps.__next__)
    start = time.perf_counter()
    images = run.validate(MEASURED_SECONDS)
    each = (time.perf_counter() - start) / max(1, images)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        CheckpointFolder(Path(folder)).write(
            run.checkpoint(), 0
        )  # onto the disk, which takes longer than all else of it
        return Pace(update, each * run.val_images, time.perf_counter() - start)


def _seconds_of_a_step(step: Callable[[], object]) -> float:
    """The mean time of the steps that fit `MEASURED_SECONDS`, after `WARM_STEPS` where there are so many."""
    ends = [time.perf_counter()]
    try:
        while len(ends) < WARM_STEPS + 2 or ends[-1] - ends[WARM_STEPS] < MEASURED_SECONDS:
            step()
            ends.append(time.perf_counter())
    except StopIteration:  # a short epoch
        pass
    counted = ends[WARM_STEPS:] if len(ends) > WARM_STEPS + 1 else ends
    return (counted[-1] - counted[0]) / max(1, len(counted) - 1)


def within_seconds(recipe: Recipe, seconds: float, pace: Pace, updates_an_epoch: int) -> Recipe:
    """The recipe with epochs, and updates in each, that take `seconds`; its warm-up keeps its share of them.

    An epoch has at most `updates_an_epoch`, one pass over the images; where the time is not a whole number of passes,
    each epoch sees a random part of them. Raises UsageError where not one update of an epoch fits.
    """
    pass_seconds = updates_an_epoch * pace.update + pace.validation + pace.checkpoint
    epochs = max(1, math.ceil(seconds / pass_seconds))
    updates = int((seconds / epochs - pace.validation - pace.checkpoint) / pace.update + 1e-6)
    if updates < 1 and epochs > 1:
        epochs, updates = epochs - 1, updates_an_epoch  # what is left over is less than the shortest epoch
    if updates < 1:
        least = math.ceil(pace.update + pace.validation + pace.checkpoint)
        raise UsageError(
            f"{max(0, seconds):.0f} s are left for training; one update and its validation take {least} s here",
            settings=("seconds",),
        )
    steps = None if updates >= updates_an_epoch else updates
    warmup = recipe.warmup_epochs * epochs / recipe.epochs
    return replace(recipe, epochs=epochs, warmup_epochs=warmup, epoch_steps=steps)


def seconds_an_image(network: Network, batch_size: int = BATCH) -> float:
    """Seconds that a training step on `batch_size` images takes for one of them here, in the arithmetic that is usually
    fastest.

    The best of a few steps on random images, after one that warms up.
    """
    device = best_device()
    batch = min(batch_size, BATCH if network.input[1] <= SMALL_SIDE else BATCH // 8)
    if device.type == "cpu":
        batch = min(batch, max(FEWEST_IMAGES, int(TRIAL_MACS / float(cost_of(network).macs))))
    arithmetic = Arithmetic("channels_last", "float32" if bfloat16_is_slow(device) else "bfloat16", batch_size=batch)
    recipe = Recipe(1, batch, "sgd", learning_rate=1e-3, weight_decay=0.0)
    module = build(pool_before_rectifier(network)).to(device)
    objective = ClassificationLoss(auxiliary_weights=tuple(head.weight for head in network.auxiliary))
    learner = Learner(module, recipe, objective, arithmetic, Updates(1))
    images = torch.rand(batch, *network.input, device=device)
    step_seconds(learner, images)
    return min(step_seconds(learner, images) for _ in range(TRIALS)) / batch
