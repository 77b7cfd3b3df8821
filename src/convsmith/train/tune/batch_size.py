"""Which batch trains fastest here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import psutil  # type: ignore[import-untyped]
import torch
from torch import Tensor, nn

from convsmith.cost import cost_of
from convsmith.evaluation.inference import device_of
from convsmith.network.network import Network
from convsmith.train.recipes.default import EPOCH_UPDATES
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.run.run import is_out_of_memory
from convsmith.train.step.learner import Learner
from convsmith.train.step.objective import Objective
from convsmith.train.tune.arithmetic import Probe, best_seconds, choose_arithmetic, step_seconds

FACTORS = (0.5, 1, 2, 4)
"""Batches that are measured, as multiples of the recipe's."""

FAST_ENOUGH = 0.95
"""The share of the fastest batch's speed that suffices: smaller batches make more updates of an epoch."""

SMALLEST_BATCH = 8
"""Of fewer images than this batch norm's statistics are noise."""

MEASURED_SECONDS = 12.0
"""What measuring may take."""

MEMORY_SHARE = 0.5
"""The share of the free memory that a batch's feature maps may take: passes over them need some too."""


def fastest_batch(
    module: nn.Module, network: Network, recipe: Recipe, objective: Objective, train_images: int
) -> tuple[int, str]:
    """The smallest batch within 5% of the fastest, of 1/2, 1, 2 and 4 times the recipe's; and the reason.

    On random images, in the arithmetic that is fastest at the recipe's batch, on a copy of the `module` of `network`,
    for about `MEASURED_SECONDS`. No batch leaves an epoch fewer than `EPOCH_UPDATES` updates, unless the recipe's own
    does.
    """
    sizes, bounds = candidates(recipe, train_images, partial(_fits, network, device_of(module)))
    plain = replace(recipe, compiled=False)
    probe = Probe.of(module, plain, objective, network.input, recipe.batch_size)
    tuned = choose_arithmetic(probe)
    measured, stop = _speeds(probe.learner(tuned.arithmetic), network.input, sizes, probe.speed(tuned))
    return chosen(recipe.batch_size, measured, "; ".join(filter(None, [*bounds, stop])))


def candidates(recipe: Recipe, train_images: int, fits: Callable[[int], bool]) -> tuple[list[int], list[str]]:
    """The batches to measure, ascending, and what keeps others out."""
    own, most = recipe.batch_size, train_images // EPOCH_UPDATES
    least = max(min(SMALLEST_BATCH, own), recipe.accumulate)
    sizes = sorted({size for size in (int(own * factor) for factor in FACTORS) if size >= least})
    few = [size for size in sizes if size > max(own, most)]
    large = [size for size in sizes if size not in few and size > own and not fits(size)]
    reasons = [f"with {few[0]} an epoch would have fewer than {EPOCH_UPDATES} updates"] if few else []
    reasons += [f"{large[0]} may not fit the memory"] if large else []
    return [size for size in sizes if size not in few and size not in large], reasons


def chosen(own: int, measured: dict[int, float], bounds: str) -> tuple[int, str]:
    """The smallest batch within 5% of the fastest, and the reason; `measured` is images/s by batch."""
    bounds = f"; {bounds}" if bounds else ""
    if own not in measured:
        return own, f"batch {own}, as the recipe has it{bounds}"
    batch = min(size for size, speed in measured.items() if speed >= FAST_ENOUGH * max(measured.values()))
    speeds = ", ".join(f"{size}: {speed:,.0f}/s" for size, speed in measured.items())
    return batch, f"batch {batch}, the smallest within 5% of the fastest (measured: {speeds}{bounds})"


def _speeds(
    learner: Learner, input_shape: tuple[int, int, int], sizes: list[int], speed: float
) -> tuple[dict[int, float], str]:
    """Images/s by batch, ascending, and why larger ones were not measured; `speed` is what to expect."""
    device = device_of(learner.module)
    deadline = time.perf_counter() + MEASURED_SECONDS
    warm: list[Tensor] = []
    stop = ""
    for size in sizes:
        # A warm-up and, with all the others, a measured step.
        if time.perf_counter() + (2 * size + sum(map(len, warm))) / speed > deadline:
            stop = f"{size} not measured: a step would take {size / speed:,.0f} s"
            break
        try:
            warm.append(torch.rand(size, *input_shape, device=device))
            step_seconds(learner, warm[-1])
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            warm = warm[: sizes.index(size)]
            learner.optimizer.zero_grad()
            stop = f"{size} does not fit the memory"
            break
    seconds = best_seconds([learner] * len(warm), warm, deadline - time.perf_counter()) if warm else []
    return {len(images): len(images) / best for images, best in zip(warm, seconds, strict=True)}, stop


def _fits(network: Network, device: torch.device, batch: int) -> bool:
    """Whether training takes at most its share of the memory that is free: Linux promises more, and then kills."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    return int(cost_of(network).training_bytes(batch)) <= MEMORY_SHARE * free
