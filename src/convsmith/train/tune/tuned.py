"""All that is measured before a run, in its order: the arithmetic, and the decoders that keep up with it."""

from __future__ import annotations

from dataclasses import replace

from convsmith.data.load.loader import InMemory
from convsmith.train.step.group import ALONE, Group
from convsmith.train.task import Task
from convsmith.train.tune.arithmetic import Probe, Tuned, choose_arithmetic
from convsmith.train.tune.decoders import decoders_for


def tuned_for(task: Task, decoders: int | None = None, group: Group = ALONE, *, seconds: float | None = None) -> Tuned:
    """The fastest arithmetic, and as many decoders as keep up with it, or as many as are given.

    `seconds` is how long the training is to take, where that is known before its epochs are.
    """
    recipe, images = task.recipe, len(task.dataset.split("train"))
    probe = Probe.of(task.module, recipe, task.objective, task.input_shape, task.batch_size)
    network = getattr(task.module, "network", None)
    tuned = choose_arithmetic(
        probe,
        steps=recipe.epochs * (recipe.epoch_steps or images // task.batch_size),
        seconds=seconds,
        processes=group.size,
        auxiliary=bool(network is not None and network.auxiliary),
    )
    if isinstance(task.dataset.split("train").images, InMemory):
        decoders = 0
    if decoders is not None:
        return replace(tuned, decoders=decoders)
    count, reason = decoders_for(task.dataset, task.preprocess, recipe, probe.speed(tuned), group.processes_here())
    return replace(tuned, decoders=count).noted(reason)
