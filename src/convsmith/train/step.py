"""One training step: forward, loss, backward, update, average."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from convsmith.train.ema import ExponentialMovingAverage
from convsmith.train.freeze import Stages
from convsmith.train.recipe import FineTuning, MemoryFormat, Precision, Recipe
from convsmith.train.schedule import learning_rate

MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, eq=False)
class Objective:
    """Cross-entropy of the logits, and of each auxiliary head times its weight.

    `class_weights` is float32 (classes,), or None where every image counts the same.
    """

    label_smoothing: float = 0.0
    class_weights: Tensor | None = None
    auxiliary_weights: tuple[float, ...] = ()

    def __call__(self, outputs: Tensor | tuple[Tensor, ...], labels: Tensor) -> Tensor:
        """The mean loss of a batch: logits (N, classes), or a tuple of them, and labels (N,)."""
        if isinstance(outputs, Tensor):
            return self._loss(outputs, labels)
        loss = self._loss(outputs[0], labels)
        for weight, head in zip(self.auxiliary_weights, outputs[1:], strict=True):
            loss = loss + weight * self._loss(head, labels)
        return loss

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, self.class_weights, label_smoothing=self.label_smoothing)


class Learner:
    """A module with all that changes it: the optimizer, the schedule and the moving average."""

    def __init__(
        self,
        module: nn.Module,
        recipe: Recipe,
        objective: Objective,
        memory_format: MemoryFormat,
        precision: Precision,
        *,
        total_steps: int,
        warmup_steps: int = 0,
        stages: Stages = (),
    ) -> None:
        self.memory_format = MEMORY_FORMATS[memory_format]
        self.module = module.train()
        module.to(memory_format=self.memory_format)  # type: ignore[call-overload]  # torch's stubs lack it
        self.objective = objective
        self.optimizer = make_optimizer(module, recipe, stages)
        self.average = None if recipe.ema_decay is None else ExponentialMovingAverage(module, recipe.ema_decay)
        self._device = next(module.parameters()).device.type
        self._precision = precision
        self._peak, self._warmup_steps, self._total_steps = recipe.learning_rate, warmup_steps, total_steps

    def step(self, images: Tensor, labels: Tensor, number: int) -> Tensor:
        """Update `number` (from 0) on float32 images (N, C, H, W) and labels (N,); the module is in training mode.

        Returns the loss as a tensor without dimensions, on the device: reading it would wait for the device.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(number) * group["share"]
        images = images.contiguous(memory_format=self.memory_format)
        with torch.autocast(self._device, DTYPES[self._precision], enabled=self._precision != "float32"):
            loss = self.objective(self.module(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average is not None:
            self.average.update(number)
        return loss.detach()

    def learning_rate(self, number: int) -> float:
        """The learning rate of update `number`."""
        return learning_rate(number, peak=self._peak, warmup_steps=self._warmup_steps, total_steps=self._total_steps)


def make_optimizer(module: nn.Module, recipe: Recipe, stages: Stages = ()) -> torch.optim.Optimizer:
    """The recipe's optimizer, fused: one pass over the weights. Biases, norms and gains, one number each, do not decay.

    With fine-tuning each stage has groups of its own, with the share of the learning rate that it gets.
    """
    tuning = recipe.fine_tuning
    stage_of = {layer: i for i, stage in enumerate(stages) for layer in stage} if tuning != FineTuning() else {}
    members: dict[tuple[int, float], list[Tensor]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            stage = stage_of.get(name.rpartition(".")[0], len(stages) - 1)
            decay = recipe.weight_decay if parameter.numel() > parameter.shape[:1].numel() else 0.0
            members.setdefault((stage, decay), []).append(parameter)
    groups = [
        {"params": parameters, "share": tuning.layer_decay ** (len(stages) - 1 - stage), "weight_decay": decay}
        for (stage, decay), parameters in members.items()
    ]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
    return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=True, fused=True)


def class_weights(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """N / (classes * images of the class), float32 (classes,): scikit-learn's "balanced"; classes count the same."""
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / (classes * np.maximum(counts, 1))).astype(np.float32)
