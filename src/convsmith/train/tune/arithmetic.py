"""How a training step runs here: what a short measurement on this machine finds fastest, with the reasons."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from convsmith.data.load.loader import WORKERS
from convsmith.evaluation.inference import device_of
from convsmith.train.recipes.recipe import MemoryFormat, Precision, Recipe
from convsmith.train.recipes.schedule import Updates
from convsmith.train.step import compiling
from convsmith.train.step.arithmetic import Arithmetic
from convsmith.train.step.learner import Learner
from convsmith.train.step.objective import Objective, TrainingBatch

PROBE_SECONDS = 4.0
"""What all measurements together may take, but for compiling."""

MOST_ROUNDS = 40
"""Measurements of each candidate, at most; slow steps get fewer."""

COMPILED_GAIN = 1.05
"""Times the plain step's speed that a compiled one must have: less is noise, and does not pay for compiling."""


@dataclass(frozen=True)
class Measured:
    """One candidate and its speed."""

    memory_format: MemoryFormat
    precision: Precision
    images_per_second: float
    compiled: bool = False

    def __str__(self) -> str:
        speed = f"{self.images_per_second:,.{0 if self.images_per_second >= 100 else 1}f}/s"
        return f"{self.memory_format} {self.precision}{' compiled' if self.compiled else ''} {speed}"


@dataclass(frozen=True)
class Tuned:
    """What was measured for a run on this machine: its arithmetic, the candidates, and a reason for each choice.

    `decoders` are the processes that decode files, 0 for images in memory; the result does not depend on them.
    """

    arithmetic: Arithmetic
    decoders: int = WORKERS
    measured: tuple[Measured, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        facts = [f"measured: {', '.join(map(str, self.measured))}"] if self.measured else []
        if self.decoders:
            facts.append(f"{self.decoders} decoding process{'es' if self.decoders > 1 else ''}")
        return str(self.arithmetic) + (f" ({'; '.join(facts)})" if facts else "")

    @property
    def images_per_second(self) -> float | None:
        """What was measured for what was chosen; None where there was nothing to choose."""
        ours = self.arithmetic
        mine = (ours.memory_format, ours.precision, ours.compiled)
        return next(
            (m.images_per_second for m in self.measured if (m.memory_format, m.precision, m.compiled) == mine), None
        )

    def noted(self, note: str) -> Tuned:
        """The same with one more note."""
        return replace(self, notes=(*self.notes, note))


@dataclass(frozen=True, eq=False)
class Probe:
    """What steps are measured on: copies of the module, and random images (N, C, H, W) on its device."""

    module: nn.Module
    recipe: Recipe
    objective: Objective
    images: Tensor

    @classmethod
    def of(
        cls, module: nn.Module, recipe: Recipe, objective: Objective, shape: tuple[int, int, int], batch_size: int
    ) -> Probe:
        """With `batch_size` random images of `shape` (C, H, W)."""
        return cls(module, recipe, objective, torch.rand(batch_size, *shape, device=device_of(module)))

    def learner(self, arithmetic: Arithmetic) -> Learner:
        """A learner on a copy of the module."""
        return Learner(copy.deepcopy(self.module), self.recipe, self.objective, arithmetic, Updates(1))

    def arithmetic(self, memory_format: MemoryFormat, precision: Precision, compiled: bool = False) -> Arithmetic:
        return Arithmetic(memory_format, precision, compiled, len(self.images), self.recipe.accumulate)

    def speed(self, tuned: Tuned) -> float:
        """Images/s of what was chosen: as it was measured then; else measured now, not compiled."""
        if tuned.images_per_second is not None:
            return tuned.images_per_second
        return self.measure([replace(tuned.arithmetic, compiled=False)])[0].images_per_second

    def measure(self, candidates: Sequence[Arithmetic]) -> tuple[Measured, ...]:
        """The speed of each candidate, in interleaved rounds, for half of `PROBE_SECONDS` at most."""
        learners = [self.learner(candidate) for candidate in candidates]
        images = self.images[: self._affordable(learners[0], len(learners))]
        for learner in learners:
            step_seconds(learner, images)
        seconds = best_seconds(learners, [images] * len(learners), PROBE_SECONDS / 2)
        return tuple(
            Measured(each.memory_format, each.precision, len(images) / best)
            for each, best in zip(candidates, seconds, strict=True)
        )

    def _affordable(self, learner: Learner, candidates: int) -> int:
        """How many images a probing step may have: a warm-up and a measured step of each candidate fit the time."""
        few = self.images[: max(2, len(self.images) // 8)]
        step_seconds(learner, few)
        each = step_seconds(learner, few) / len(few)
        return max(len(few), min(len(self.images), int(PROBE_SECONDS / (2 * candidates * each))))


def choose_arithmetic(
    probe: Probe, *, steps: int = 0, seconds: float | None = None, processes: int = 1, auxiliary: bool = False
) -> Tuned:
    """The fastest of channels-last or not, float32 or bfloat16, and then of compiled or not, on random images.

    Takes about `PROBE_SECONDS` at most, and longer only where compiling may pay in a training of so many `steps`, or
    of so many `seconds` if these are given, by so many `processes`. What the recipe fixes is not measured; what cannot
    be had here is left out with a note. `auxiliary`: whether training mode has outputs that evaluation has not.
    `decoders` is not decided.
    """
    recipe, device = probe.recipe, device_of(probe.module)
    candidates, notes = _candidates(recipe, device)
    against = compiling.hindrance(device, recipe, processes=processes, auxiliary=auxiliary)
    undecided = recipe.compiled is None and not against
    made = [probe.arithmetic(*candidate) for candidate in candidates]
    measured = probe.measure(made) if len(made) > 1 or undecided else ()
    at = max(range(len(measured)), key=lambda i: measured[i].images_per_second, default=0)
    tuned = Tuned(made[at], measured=measured, notes=notes)
    if recipe.compiled is False:
        return tuned
    allowed = compiling.MOST_SECONDS
    if undecided:
        training = seconds or steps * len(probe.images) / measured[at].images_per_second
        allowed = compiling.allowance(training)
        against = "" if allowed else f"the training takes about {training:,.0f} s, too short for it to pay"
    return (
        tuned.noted(f"torch.compile not taken: {against}")
        if against
        else _with_compiling(tuned, probe, allowed, forced=not undecided)
    )


def bfloat16_is_slow(device: torch.device) -> str:
    """Why bfloat16 is not worth a measurement on this device; empty where it has the instructions for it."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return "" if native else "this GPU has no instructions for it"
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        native = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
        # Measured: ResNet-18 at 0.7 images/s against 9 in float32, so even one probing step would cost a minute.
        return "" if native else "this CPU has neither AVX512-BF16 nor AMX and emulates it"
    return ""


def best_seconds(learners: Sequence[Learner], images: Sequence[Tensor], seconds: float) -> list[float]:
    """The least time of a step of each learner on its images, in rounds for about `seconds`; all are warm."""
    deadline = time.perf_counter() + seconds
    best = [float("inf") for _ in learners]
    # Interleaved, and the best of each taken: what else runs on the machine can only make a step slower.
    for _ in range(MOST_ROUNDS):
        for at, learner in enumerate(learners):
            best[at] = min(best[at], step_seconds(learner, images[at]))
        if time.perf_counter() > deadline:
            break
    return best


def step_seconds(learner: Learner, images: Tensor) -> float:
    """The time of one step on these images, labelled with class 0."""
    labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    batch = TrainingBatch(images, labels, torch.arange(len(images)))
    start = time.perf_counter()
    loss = learner.step(batch, 0)
    loss.item()
    return time.perf_counter() - start


def _candidates(recipe: Recipe, device: torch.device) -> tuple[list[tuple[MemoryFormat, Precision]], tuple[str, ...]]:
    """What may be measured, and why there is not more of it."""
    slow = bfloat16_is_slow(device)
    formats: tuple[MemoryFormat, ...] = (
        (recipe.memory_format,) if recipe.memory_format else ("contiguous", "channels_last")
    )
    precisions: tuple[Precision, ...] = ("float32",) if slow else ("float32", "bfloat16")
    notes = (f"bfloat16 not measured: {slow}",) if slow and recipe.precision is None else ()
    if recipe.precision is not None:
        precisions = (recipe.precision,)
    if recipe.precision == "bfloat16" and slow:
        possible = device.type != "cuda" or torch.cuda.is_bf16_supported()
        precisions = ("bfloat16",) if possible else ("float32",)
        notes = (f"bfloat16 as asked, but slow: {slow}" if possible else f"float32, not bfloat16 as asked: {slow}",)
    return [(memory_format, precision) for memory_format in formats for precision in precisions], notes


def _with_compiling(tuned: Tuned, probe: Probe, seconds: float, *, forced: bool) -> Tuned:
    """The same compiled, where that works within the time and, unless it is forced, is faster."""
    arithmetic = replace(tuned.arithmetic, compiled=True)
    learner = probe.learner(arithmetic)
    start = time.perf_counter()
    failed = compiling.failure(lambda: step_seconds(learner, probe.images), seconds)
    took = time.perf_counter() - start
    try:
        if failed:
            return tuned.noted(f"torch.compile not taken: {failed}")
        if forced:
            return replace(tuned, arithmetic=arithmetic).noted(f"compiled as asked, in {took:.0f} s")
        plain = probe.learner(tuned.arithmetic)
        step_seconds(plain, probe.images)
        slower, faster = best_seconds([plain, learner], [probe.images] * 2, PROBE_SECONDS / 2)
    finally:
        torch.compiler.reset()
    ratio = slower / faster
    speed = Measured(arithmetic.memory_format, arithmetic.precision, len(probe.images) / faster, compiled=True)
    tuned = replace(tuned, measured=(*tuned.measured, speed))
    found = f"{ratio:.2f} times the plain step's speed, after {took:.0f} s of compiling"
    if ratio < COMPILED_GAIN:
        return tuned.noted(f"torch.compile not taken: {found}")
    return replace(tuned, arithmetic=arithmetic).noted(f"compiled: {found}")
