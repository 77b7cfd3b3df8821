"""Which arithmetic a training step runs in: what a short measurement on this machine finds fastest."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from convsmith.train.objective import Objective
from convsmith.train.recipe import MemoryFormat, Precision, Recipe
from convsmith.train.step import Learner

PROBE_SECONDS = 4.0
"""What all measurements together may take."""

ROUNDS = 40
"""Measurements of each candidate, at most; slow steps get fewer."""


@dataclass(frozen=True)
class Measured:
    """One candidate and its speed."""

    memory_format: MemoryFormat
    precision: Precision
    images_per_second: float


@dataclass(frozen=True)
class Plan:
    """The arithmetic of a run, the candidates that were measured for it, and why others were not."""

    memory_format: MemoryFormat
    precision: Precision
    measured: tuple[Measured, ...] = ()
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        measured = tuple(Measured(**entry) for entry in data["measured"])
        return cls(data["memory_format"], data["precision"], measured, data["note"])

    def __str__(self) -> str:
        speeds = ", ".join(
            f"{m.memory_format} {m.precision} {m.images_per_second:,.{0 if m.images_per_second >= 100 else 1}f}/s"
            for m in self.measured
        )
        return f"{self.memory_format}, {self.precision}" + (f" (measured: {speeds})" if speeds else "")


def choose_plan(
    module: nn.Module, recipe: Recipe, objective: Objective, input_shape: tuple[int, int, int], batch_size: int
) -> Plan:
    """The fastest of channels-last or not, float32 or bfloat16, on random images (batch_size, *input_shape).

    Works on copies of the module, for about `PROBE_SECONDS` at most. What the recipe fixes is not measured.
    """
    device = next(module.parameters()).device
    missing = "" if recipe.precision else bfloat16_is_slow(device)
    formats: tuple[MemoryFormat, ...] = ("contiguous", "channels_last")
    precisions: tuple[Precision, ...] = ("float32",) if missing else ("float32", "bfloat16")
    candidates = [
        (memory_format, precision)
        for memory_format in ((recipe.memory_format,) if recipe.memory_format else formats)
        for precision in ((recipe.precision,) if recipe.precision else precisions)
    ]
    if len(candidates) == 1:
        return Plan(*candidates[0], note=missing)
    measured = _measure(module, recipe, objective, candidates, torch.rand(batch_size, *input_shape, device=device))
    fastest = max(measured, key=lambda m: m.images_per_second)
    return Plan(fastest.memory_format, fastest.precision, tuple(measured), missing)


def bfloat16_is_slow(device: torch.device) -> str:
    """Why bfloat16 is not worth a measurement on this device; empty where it has the instructions for it."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return "" if native else "bfloat16 not measured: this GPU has no instructions for it"
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        native = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
        # Measured: ResNet-18 at 0.7 images/s against 9 in float32, so even one probing step would cost a minute.
        return "" if native else "bfloat16 not measured: this CPU has neither AVX512-BF16 nor AMX and emulates it"
    return ""


def _measure(
    module: nn.Module,
    recipe: Recipe,
    objective: Objective,
    candidates: list[tuple[MemoryFormat, Precision]],
    images: Tensor,
) -> list[Measured]:
    learners = [
        Learner(copy.deepcopy(module), recipe, objective, memory_format, precision, total_steps=1)
        for memory_format, precision in candidates
    ]
    images = images[: _affordable(learners[0], images, len(learners))]
    for learner in learners:
        _seconds(learner, images)
    deadline = time.perf_counter() + PROBE_SECONDS / 2
    seconds: list[list[float]] = [[] for _ in learners]
    # Interleaved, and the best of each taken: what else runs on the machine can only make a step slower.
    for _ in range(ROUNDS):
        for learner, times in zip(learners, seconds, strict=True):
            times.append(_seconds(learner, images))
        if time.perf_counter() > deadline:
            break
    speeds = [len(images) / min(times) for times in seconds]
    return [Measured(*candidate, speed) for candidate, speed in zip(candidates, speeds, strict=True)]


def _affordable(learner: Learner, images: Tensor, candidates: int) -> int:
    """How many images a probing step may have: a warm-up and a measured step of each candidate fit the time."""
    few = images[: max(2, len(images) // 8)]
    _seconds(learner, few)
    each = _seconds(learner, few) / len(few)
    return max(len(few), min(len(images), int(PROBE_SECONDS / (2 * candidates * each))))


def _seconds(learner: Learner, images: Tensor) -> float:
    labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    start = time.perf_counter()
    loss = learner.step(images, labels, 0)
    loss.item()
    return time.perf_counter() - start
