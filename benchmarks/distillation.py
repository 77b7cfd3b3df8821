"""Aim: a student with a teacher is right more often than without one, after the same epochs.

ResNet-20 teaches one with an eighth of its multiply-adds on fashion-mini: labels alone, soft targets, and hints or
attention besides. All students start from the same weights, seed by seed, and see the same images. A gain has the 95%
interval of the paired difference on the test images, all seeds together.

    python benchmarks/distillation.py FOLDER     # FOLDER keeps the teacher, as for benchmarks/int8.py; 4 minutes
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

import convsmith
from convsmith.compression import retrained
from convsmith.model import Model
from convsmith.train import Distillation, default_recipe, distilling
from convsmith.transform.width import scale_width
from int8 import PREPROCESS, right, started
from row import Row, show

KINDS: dict[str, Distillation | None] = {
    "labels alone": None,
    "soft targets": Distillation("soft"),
    "soft targets and a hint": Distillation("hints"),
    "soft targets and attention": Distillation("attention"),
}
SEEDS, EPOCHS, WIDTH = (0,), 3, 0.25


def rows(folder: Path) -> Iterator[Row]:
    dataset = convsmith.open_dataset("fashion-mini")
    teacher = started("resnet20", dataset, folder)
    network = scale_width(teacher.network, WIDTH)
    hits, seconds = {}, {}
    for name, settings in KINDS.items():
        start, found = time.perf_counter(), []
        for seed in SEEDS:
            weights = convsmith.build(network, seed).state_dict()
            student = Model(network, weights, dataset.classes, PREPROCESS)
            recipe = default_recipe(network, dataset, PREPROCESS, epochs=EPOCHS, seed=seed)
            objective = None if settings is None else distilling(teacher, student, settings)
            found.append(right(retrained(student, dataset, recipe, objective=objective), dataset))
        hits[name], seconds[name] = np.concatenate(found).astype(float), time.perf_counter() - start
    first = next(iter(KINDS))
    yield Row("`distillation.py`: the teacher", "", f"{right(teacher, dataset).mean():.2%}", None)
    for name, hit in hits.items():
        gain = hit - hits[first]
        told = f"{hit.mean():.2%}"
        if name != first:
            told += f", {100 * gain.mean():+.2f} ± {196 * gain.std() / np.sqrt(len(gain)):.2f} points"
        told += f", {seconds[name] / seconds[first]:.2f} times the time"
        yield Row(f"`distillation.py`: {name}", "more often right", told, None if name == first else gain.mean() > 0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    show(rows(Path(sys.argv[1])))
