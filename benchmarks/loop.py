"""Aim: of an epoch's time, under 3% is spent outside forward, backward, optimizer and moving average.

Trains ResNet-20 on 8,960 images of 28x28 in memory, as `fit` does, and measures what the steps take of it. LeNet-5,
whose step is the shortest of all, is shown beside it without an aim. The augmentation is random crops and flips.

    python benchmarks/loop.py
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

import convsmith
from convsmith.data.augment.augment import Augment
from convsmith.data.dataset import Dataset, Split
from convsmith.data.images import ArrayImages
from convsmith.network.preprocess import Preprocess
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.run.run import Run
from convsmith.train.step.objective import ClassificationLoss, TrainingBatch
from convsmith.train.task import Task
from convsmith.train.tune.arithmetic import Probe, choose_arithmetic
from row import Row, show

IMAGES, BATCH, EPOCHS = 8960, 128, 3
AIM = 0.03


def overhead(model: str) -> float:
    """The share of the fastest epoch that is not spent in steps."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (IMAGES, 28, 28, 1), np.uint8)
    split = Split(ArrayImages(pixels, "noise"), generator.integers(0, 10, IMAGES))
    dataset = Dataset("noise", tuple("0123456789"), {"train": split}, channels=1, size=(28, 28), fingerprint="noise")
    preprocess = Preprocess(1, crop=(28, 28), resize=(28, 28), mean=(0.5,), std=(0.5,))
    recipe = Recipe(
        EPOCHS,
        BATCH,
        "sgd",
        learning_rate=1e-3,
        weight_decay=5e-4,
        ema_decay=0.99,
        augment=Augment(crop_padding=2, flip=True),
    )
    module = convsmith.build(convsmith.create(model, classes=10, input=(1, 28, 28)))
    task = Task(module, dataset, preprocess, recipe, ClassificationLoss())
    tuned = choose_arithmetic(Probe.of(module, recipe, task.objective, (1, 28, 28), BATCH))
    run = Run(task, tuned)
    inside = 0.0
    step = run.learner.step

    def timed(batch: TrainingBatch, number: int, *, measured: bool) -> Tensor:
        nonlocal inside
        start = time.perf_counter()
        loss = step(batch, number, measured=measured)
        inside += time.perf_counter() - start
        return loss

    run.learner.step = timed
    shares = []
    for _ in range(EPOCHS):
        inside, start = 0.0, time.perf_counter()
        for _ in run.train_epoch():
            pass
        shares.append(1 - inside / (time.perf_counter() - start))
        run.position.epoch, run.position.step = run.position.epoch + 1, 0
    return min(shares)


def rows() -> Iterator[Row]:
    torch.manual_seed(0)
    for model, aimed in (("resnet20", True), ("lenet5", False)):
        share = overhead(model)
        aim = f"under {AIM:.0%}" if aimed else "none"
        yield Row(
            f"`loop.py`: time outside the step, {model} at 28x28",
            aim,
            f"{share:.1%}",
            share < AIM if aimed else None,
        )


if __name__ == "__main__":
    show(rows())
