"""How many processes decode files while a network trains: as few as keep up with its steps."""

from __future__ import annotations

import math
import os
import time
from contextlib import closing

from convsmith.data.dataset import Dataset
from convsmith.data.load.loader import Loader
from convsmith.data.load.workers import EpochOrder
from convsmith.errors import DataError
from convsmith.network.preprocess import Preprocess
from convsmith.train.recipes.recipe import Recipe

MOST_DECODERS = 16
"""More processes than this wait for the disk, or for each other."""

SPARE = 1.25
"""Times the images that a step takes which decoders must be able to prepare: files differ, and the step needs cores."""

MEASURED_SECONDS = 1.0
"""What timing a decoder may take, once it has started."""

SAMPLE_BATCH = 8
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
    most = min(MOST_DECODERS, most)
    wanted = math.ceil(SPARE * step_speed / each)
    count = max(1, min(most, wanted))
    plural = "es" if count > 1 else ""
    reason = f"{count} decoding process{plural}: one prepares {each:,.0f} images/s, a step takes {step_speed:,.0f}/s"
    if wanted > most:
        reason += f"; more than {most} do not help here, so steps may wait for images"
    return count, reason


def decoding_speed(dataset: Dataset, preprocess: Preprocess, recipe: Recipe) -> float:
    """Images/s that one process decodes and prepares for training."""
    training = EpochOrder(recipe.seed, recipe.augment, recipe.repeats)
    loader = Loader(dataset.split("train"), preprocess, SAMPLE_BATCH, training=training, workers=1)
    return loader.batch_size / seconds_of_a_batch(loader)


def seconds_of_a_batch(loader: Loader) -> float:
    """The mean time of a batch over those that fit `MEASURED_SECONDS`; of several, the first does not count.

    Raises DataError where no image can be read.
    """
    ends = [time.perf_counter()]
    with closing(loader.epoch()) as batches:
        for _ in batches:
            ends.append(time.perf_counter())
            if len(ends) > 2 and ends[-1] - ends[1] > MEASURED_SECONDS:
                break
    if len(ends) == 1:
        raise DataError(f"no training image is readable any more: {loader.unreadable[0]}")
    counted = ends[1:] if len(ends) > 2 else ends
    return (counted[-1] - counted[0]) / (len(counted) - 1)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
