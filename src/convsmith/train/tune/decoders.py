"""How many processes decode files while a network trains: as few as keep up with its steps."""

from __future__ import annotations

import math
import os

from convsmith.data.dataset import Dataset
from convsmith.data.load.loader import Loader
from convsmith.data.load.workers import Training
from convsmith.network.preprocess import Preprocess
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.tune.pace import seconds_each

MOST = 16
"""More processes than this wait for the disk, or for each other."""

SPARE = 1.25
"""Times the images that a step takes which decoders must be able to prepare: files differ, and the step needs cores."""

SECONDS = 1.0
"""What timing a decoder may take, once it has started."""

SAMPLE = 8
"""Images in a batch of the measurement: few, for large photographs take a tenth of a second each."""


def decoders_for(
    dataset: Dataset, preprocess: Preprocess, recipe: Recipe, step_speed: float, processes: int
) -> tuple[int, str]:
    """The decoding processes for steps of `step_speed` images/s, and the reason.

    As many training `processes` share this machine's cores.
    """
    each = decoding_speed(dataset, preprocess, recipe)
    return enough_decoders(each, step_speed, max(1, cores() // processes))


def enough_decoders(each: float, step_speed: float, most: int) -> tuple[int, str]:
    """The fewest processes, `most` at most, that decode `each` images/s so that steps need not wait; and the reason."""
    most = min(MOST, most)
    wanted = math.ceil(SPARE * step_speed / each)
    count = max(1, min(most, wanted))
    plural = "es" if count > 1 else ""
    reason = f"{count} decoding process{plural}: one prepares {each:,.0f} images/s, a step takes {step_speed:,.0f}/s"
    if wanted > most:
        reason += f"; more than {most} do not help here, so steps may wait for images"
    return count, reason


def decoding_speed(dataset: Dataset, preprocess: Preprocess, recipe: Recipe) -> float:
    """Images/s that one process decodes and prepares for training."""
    training = Training(recipe.seed, recipe.augment, recipe.repeats)
    loader = Loader(dataset.split("train"), preprocess, SAMPLE, training=training, workers=1)
    return loader.batch_size / seconds_each(lambda batch: None, loader, SECONDS)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
