"""Short trainings: what a way to train comes to in a few seconds, on the data's own val split."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import Dataset, InMemory, Split
from convsmith.data.load.loader import WORKERS
from convsmith.evaluation.feature_cache import cached_features, with_features
from convsmith.evaluation.features import part_of
from convsmith.evaluation.inference import best_device, predict_logits
from convsmith.evaluation.metrics import Interval, wilson
from convsmith.fitting.chosen import Chosen
from convsmith.model import Model
from convsmith.train.recipes.recipe import FineTuning, Recipe
from convsmith.train.run.events import StepEnded
from convsmith.train.run.loop import Observer, Training
from convsmith.train.run.plan import RunPlan, first_module
from convsmith.train.step.arithmetic import Arithmetic
from convsmith.train.tune.arithmetic import Tuned, bfloat16_is_slow
from convsmith.transform.part import trunk_and_head

OVERRUN = 2.0
"""Times its seconds, after which a trial is stopped: the machine is doing something else."""

TIMED_IMAGES = 16
"""Images that computing features is timed on."""


@dataclass(frozen=True, eq=False)
class Taken:
    """The images of a split at `rows`, int64 (N,), in that order."""

    split: Split
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return self.split.images[int(self.rows[index])]

    def name(self, index: int) -> str:
        return self.split.images.name(int(self.rows[index]))


def some(split: Split, count: int, seed: int = 0) -> Split:
    """`count` random images of a split, or all."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(split))[:count])
    return Split(Taken(split, rows), split.labels[rows])


def accuracy_in(chosen: Chosen, dataset: Dataset, seconds: float, seconds_an_image: float) -> Interval | None:
    """The val accuracy that a training in miniature reaches: the whole schedule, but in about `seconds`.

    None where not even one short epoch was done in twice the time.
    """
    plan, images = chosen.plan, len(dataset.split("train"))
    recipe = plan.recipe
    batch = min(recipe.batch_size, images)
    updates = max(1, int(seconds / (seconds_an_image * batch)))
    an_epoch = max(1, images // batch)
    epochs = max(1, round(updates / an_epoch))
    short = replace(
        recipe,
        epochs=epochs,
        warmup_epochs=recipe.warmup_epochs * epochs / recipe.epochs,
        epoch_steps=min(an_epoch, updates) if updates < an_epoch else None,
        ema_decay=None if updates < 300 else recipe.ema_decay,
        patience=None,
    )
    deadline = time.monotonic() + OVERRUN * seconds

    def stop_late(event: Any, training: Any) -> None:
        if isinstance(event, StepEnded) and time.monotonic() > deadline:
            training.stop()

    training = short_training(replace(chosen, plan=replace(plan, recipe=short)), dataset, observers=(stop_late,))
    training.advance()
    return accuracy_of(training, dataset)


def short_training(chosen: Chosen, dataset: Dataset, *, observers: Sequence[Observer] = ()) -> Training:
    """A training by the plan's recipe that writes nothing, for which nothing is measured first."""
    plan, images = chosen.plan, dataset.split("train").images
    recipe = plan.recipe
    device = best_device()
    arithmetic = Arithmetic(
        recipe.memory_format or "channels_last",
        recipe.precision or ("float32" if bfloat16_is_slow(device) else "bfloat16"),
        batch_size=min(recipe.batch_size, len(dataset.split("train"))),
        parts=recipe.accumulate,
    )
    tuned = Tuned(arithmetic, decoders=0 if isinstance(images, InMemory) else WORKERS)
    module = first_module(plan, dataset.classes, chosen.start).to(device)
    return Training(module, dataset, plan.preprocess, recipe, tuned=tuned, observers=observers)


def accuracy_of(training: Training, dataset: Dataset) -> Interval | None:
    """The val accuracy of the last epoch; None before the first."""
    known = [epoch.val_accuracy for epoch in training.history if epoch.val_accuracy is not None]
    images = len(dataset.split("val"))
    return wilson(round(known[-1] * images), images) if known else None


def head_accuracy(chosen: Chosen, dataset: Dataset) -> Interval | None:
    """The val accuracy of a classifier on frozen features, which are kept for the training itself."""
    plan = chosen.plan
    start = start_of(chosen, dataset)
    given = with_features(dataset, cached_features(start, dataset, ("train", "val")))
    recipe = plain_head(plan)
    head = start.module(trunk_and_head(plan.network)[1])
    tuned = Tuned(Arithmetic(batch_size=min(recipe.batch_size, len(given.split("train")))), decoders=0)
    training = Training(head, given, plan.preprocess, recipe, tuned=tuned)
    training.advance()
    return accuracy_of(training, given)


def start_of(chosen: Chosen, dataset: Dataset) -> Model:
    """The model with a classifier for the classes, whose features are computed."""
    plan = chosen.plan
    module = first_module(plan, dataset.classes, chosen.start)
    return Model(plan.network, module.state_dict(), dataset.classes, plan.preprocess)


def plain_head(plan: RunPlan) -> Recipe:
    """The recipe of a classifier alone: of what is trained nothing is frozen, and features need no fast arithmetic."""
    return replace(
        plan.recipe, memory_format="contiguous", precision="float32", compiled=False, fine_tuning=FineTuning()
    )


def feature_seconds(model: Model, dataset: Dataset) -> float:
    """Seconds that the features of one image take here, decoding included, once all is running."""
    trunk = part_of(model, trunk_and_head(model.network)[0])
    images = some(dataset.split("train"), TIMED_IMAGES)
    taken = []
    for _ in range(3):  # the first time allocates and chooses kernels, and another program may be in the way once
        start = time.monotonic()
        predict_logits(trunk, images, model.preprocess, workers=0)
        taken.append(time.monotonic() - start)
    return min(taken) / len(images)
