"""How a training step runs here: what a short measurement on this machine finds fastest, with the reasons."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from convsmith.data.load.loader import WORKERS
from convsmith.evaluate.inference import device_of
from convsmith.train.recipes.recipe import MemoryFormat, Precision, Recipe
from convsmith.train.step import compiling
from convsmith.train.step.learner import Learner
from convsmith.train.step.objective import Objective

PROBE_SECONDS = 4.0
"""What all measurements together may take, but for compiling."""

ROUNDS = 40
"""Measurements of each candidate, at most; slow steps get fewer."""

GAIN = 1.05
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
class Plan:
    """How a run computes, the candidates that were measured for it, and a reason for each choice, in `notes`.

    `compiled`: whether `torch.compile` runs the network in training. `decoders`: the processes that decode files, 0 for
    images in memory; the result does not depend on them.
    """

    memory_format: MemoryFormat
    precision: Precision
    measured: tuple[Measured, ...] = ()
    notes: tuple[str, ...] = ()
    compiled: bool = False
    decoders: int = WORKERS

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The plan that `to_json` wrote, in this version or in one that had a single `note` and chose less."""
        measured = tuple(Measured(**entry) for entry in data["measured"])
        notes = data["notes"] if "notes" in data else filter(None, [data["note"]])
        return cls(
            data["memory_format"],
            data["precision"],
            measured,
            tuple(notes),
            data.get("compiled", False),
            data.get("decoders", WORKERS),
        )

    def __str__(self) -> str:
        facts = [f"measured: {', '.join(map(str, self.measured))}"] if self.measured else []
        if self.decoders:
            facts.append(f"{self.decoders} decoding process{'es' if self.decoders > 1 else ''}")
        chosen = ", ".join([self.memory_format, self.precision, *(["compiled"] if self.compiled else [])])
        return chosen + (f" ({'; '.join(facts)})" if facts else "")

    @property
    def images_per_second(self) -> float | None:
        """What was measured for what was chosen; None where there was nothing to choose."""
        mine = (self.memory_format, self.precision, self.compiled)
        return next(
            (m.images_per_second for m in self.measured if (m.memory_format, m.precision, m.compiled) == mine), None
        )


def choose_plan(
    module: nn.Module,
    recipe: Recipe,
    objective: Objective,
    input_shape: tuple[int, int, int],
    batch_size: int,
    *,
    steps: int = 0,
    processes: int = 1,
) -> Plan:
    """The fastest of channels-last or not, float32 or bfloat16, and then of compiled or not, on random images.

    The images are (batch_size, *input_shape). Works on copies of the module, for about `PROBE_SECONDS` at most, and
    longer only where compiling may pay in a training of so many `steps` by so many `processes`. What the recipe fixes
    is not measured; what cannot be had here is left out with a note. `decoders` is not decided.
    """
    probe = _Probe(module, recipe, objective, torch.rand(batch_size, *input_shape, device=device_of(module)))
    candidates, notes = _candidates(recipe, device_of(module))
    against = compiling.hindrance(
        device_of(module), recipe, processes=processes, auxiliary=bool(objective.auxiliary_weights)
    )
    undecided = recipe.compiled is None and not against
    measured = probe.measured(candidates) if len(candidates) > 1 or undecided else ()
    best = max(measured, key=lambda m: m.images_per_second, default=Measured(*candidates[0], 0.0))
    plan = Plan(best.memory_format, best.precision, measured, notes)
    if recipe.compiled is False:
        return plan
    seconds = compiling.MOST_SECONDS
    if undecided:
        training = steps * batch_size / best.images_per_second
        seconds = compiling.allowance(training)
        against = "" if seconds else f"the training takes about {training:,.0f} s, too short for it to pay"
    return _noted(plan, against) if against else _with_compiling(plan, probe, seconds, forced=not undecided)


def speed_of(
    plan: Plan,
    module: nn.Module,
    recipe: Recipe,
    objective: Objective,
    input_shape: tuple[int, int, int],
    batch_size: int,
) -> float:
    """Images/s of a plan's step: as it was measured when the plan was chosen; else measured now, not compiled."""
    if plan.images_per_second is not None:
        return plan.images_per_second
    probe = _Probe(module, recipe, objective, torch.rand(batch_size, *input_shape, device=device_of(module)))
    return probe.measured([(plan.memory_format, plan.precision)])[0].images_per_second


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
    for _ in range(ROUNDS):
        for at, learner in enumerate(learners):
            best[at] = min(best[at], step_seconds(learner, images[at]))
        if time.perf_counter() > deadline:
            break
    return best


def step_seconds(learner: Learner, images: Tensor) -> float:
    """The time of one step."""
    labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    start = time.perf_counter()
    loss = learner.step(images, labels, 0)
    loss.item()
    return time.perf_counter() - start


@dataclass(frozen=True, eq=False)
class _Probe:
    """What steps are measured on: copies of the module, and a batch of random images."""

    module: nn.Module
    recipe: Recipe
    objective: Objective
    images: Tensor

    def learner(self, memory_format: MemoryFormat, precision: Precision, compiled: bool = False) -> Learner:
        module = copy.deepcopy(self.module)
        return Learner(module, self.recipe, self.objective, memory_format, precision, total_steps=1, compiled=compiled)

    def measured(self, candidates: Sequence[tuple[MemoryFormat, Precision]]) -> tuple[Measured, ...]:
        learners = [self.learner(*candidate) for candidate in candidates]
        images = self.images[: self._affordable(learners[0], len(learners))]
        for learner in learners:
            step_seconds(learner, images)
        seconds = best_seconds(learners, [images] * len(learners), PROBE_SECONDS / 2)
        return tuple(Measured(*each, len(images) / best) for each, best in zip(candidates, seconds, strict=True))

    def _affordable(self, learner: Learner, candidates: int) -> int:
        """How many images a probing step may have: a warm-up and a measured step of each candidate fit the time."""
        few = self.images[: max(2, len(self.images) // 8)]
        step_seconds(learner, few)
        each = step_seconds(learner, few) / len(few)
        return max(len(few), min(len(self.images), int(PROBE_SECONDS / (2 * candidates * each))))


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


def _with_compiling(plan: Plan, probe: _Probe, seconds: float, *, forced: bool) -> Plan:
    """The plan compiled, where that works within the time and, unless it is forced, is faster."""
    learner = probe.learner(plan.memory_format, plan.precision, compiled=True)
    start = time.perf_counter()
    failed = compiling.failure(lambda: step_seconds(learner, probe.images), seconds)
    took = time.perf_counter() - start
    try:
        if failed:
            return _noted(plan, failed)
        if forced:
            return replace(plan, compiled=True, notes=(*plan.notes, f"compiled as asked, in {took:.0f} s"))
        plain = probe.learner(plan.memory_format, plan.precision)
        step_seconds(plain, probe.images)
        slower, faster = best_seconds([plain, learner], [probe.images] * 2, PROBE_SECONDS / 2)
    finally:
        torch.compiler.reset()
    count, ratio = len(probe.images), slower / faster
    speed = Measured(plan.memory_format, plan.precision, count / faster, compiled=True)
    plan = replace(plan, measured=(*plan.measured, speed))
    if ratio < GAIN:
        return _noted(plan, f"{ratio:.2f} times the plain step's speed, after {took:.0f} s of compiling")
    note = f"compiled: {ratio:.2f} times the plain step's speed, after {took:.0f} s of compiling"
    return replace(plan, compiled=True, notes=(*plan.notes, note))


def _noted(plan: Plan, against: str) -> Plan:
    return replace(plan, notes=(*plan.notes, f"torch.compile not taken: {against}"))
