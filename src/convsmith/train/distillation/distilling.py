"""Distillation as an objective: the labels' loss, and how far the student is from its teacher."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from convsmith.backend.torch import NetworkModule, build
from convsmith.errors import UsageError
from convsmith.evaluation.inference import device_of, main_output
from convsmith.evaluation.metrics import Interval
from convsmith.model import Model
from convsmith.network import ops
from convsmith.network.network import Auxiliary, Network, Node
from convsmith.network.preprocess import Preprocess
from convsmith.train.distillation.losses import attention, hint, soft_targets
from convsmith.train.distillation.maps import compared_maps, stage_maps
from convsmith.train.distillation.settings import Distillation, Kind
from convsmith.train.distillation.teacher import Teacher, seen_network
from convsmith.train.step.objective import ClassificationLoss, TrainingBatch

REGRESSOR = "distillation_regressor"
"""The layer that turns the student's map into the teacher's channels. It exists in training only."""


@dataclass(frozen=True)
class TaughtBy:
    """A run's teacher: the model in words, its network, how it teaches, and its accuracy in the student's eyes.

    `accuracy` is on so many `images` of a split, prepared for the student.
    """

    teacher: str
    network: str
    distillation: Distillation
    accuracy: Interval
    images: int
    split: str

    def __str__(self) -> str:
        return f"{self.network}: {self.accuracy} of {self.images:,} {self.split} images as the student sees them"


def distilling(
    teacher: Model,
    student: Model,
    settings: Distillation = Distillation(),  # noqa: B008  (frozen)
    labels: ClassificationLoss = ClassificationLoss(),  # noqa: B008  (frozen)
) -> DistillationLoss:
    """The objective of a student that learns from a teacher: any network's model from any other's.

        retrained(slimmed, dataset, recipe, objective=distilling(model, slimmed))

    The teacher sees the student's images: see `Teacher`. Raises UsageError where it does not know the student's
    classes, where either has no feature maps to compare, and for a loss of the labels that is not of a softmax.
    """
    return distillation_loss(teacher, student.network, student.classes, student.preprocess, settings, labels)


def distillation_loss(
    teacher: Model,
    network: Network,
    classes: tuple[str, ...],
    preprocess: Preprocess,
    settings: Distillation,
    labels: ClassificationLoss,
) -> DistillationLoss:
    """The same for a student that has no weights yet."""
    if settings.soft_weight and labels.loss == "binary":
        raise UsageError(
            "soft targets are shares of one softmax over the classes, and the recipe's loss is binary for each class; "
            "choose another recipe",
            settings="teacher",
        )
    maps = tuple(theirs for _, theirs in _compared(network.inference, seen_network(teacher), settings.kind))
    seen = Teacher(teacher, preprocess, classes if settings.soft_weight else None, maps=maps)
    return DistillationLoss(seen, seen_network(teacher), settings, labels)


@dataclass(frozen=True, eq=False)
class DistillationLoss:
    """An `Objective` that looks into the student where maps are compared; see `distilling`."""

    teacher: Teacher
    teacher_network: Network
    settings: Distillation
    labels: ClassificationLoss

    def instrument(self, module: nn.Module) -> nn.Module:
        """The module with the compared maps behind its outputs in training; its layers are in both.

        Raises UsageError for a module that no network describes.
        """
        if self.settings.kind == "soft":
            return module
        if not isinstance(module, NetworkModule):
            raise UsageError(
                f"{self.settings.kind} need a network, in which maps can be found: `read` the module first"
            )
        net = module.network
        maps = tuple(own for own, _ in _compared(net, self.teacher_network, self.settings.kind))
        nodes = net.nodes
        if self.settings.kind == "hints":
            norm = Node(f"{REGRESSOR}_norm", ops.BatchNorm(), maps)  # or a large map makes the regression diverge
            regressor = Node(REGRESSOR, ops.Conv(self.teacher.channels[0], (1, 1), bias=True), (norm.name,))
            nodes = (*nodes, norm, regressor)
            maps = (REGRESSOR,)
        heads = (*net.auxiliary, *(Auxiliary(name, 0.0) for name in maps))
        made = build(replace(net, nodes=nodes, auxiliary=heads)).to(device_of(module))
        for name in module.layers:
            made.set_submodule(name, module.get_submodule(name))
        return made.train(module.training)

    def total(self, outputs: Any, batch: TrainingBatch, module: nn.Module) -> Tensor:
        """The sum over the batch: (1 - soft_weight) x labels + soft_weight x soft targets + map_weight x maps."""
        settings, count = self.settings, len(self.teacher.channels)
        logits, wanted = self.teacher.to(batch.images.device).answer(batch.images)
        maps = outputs[-count:] if count else ()
        if count:
            outputs = outputs[:-count] if len(outputs) > count + 1 else outputs[0]
        each = batch.images.new_zeros(len(batch.targets))
        if settings.soft_weight:
            each = settings.soft_weight * soft_targets(main_output(outputs), logits, settings.temperature)
        distance = hint if settings.kind == "hints" else attention
        for own, theirs in zip(maps, wanted, strict=True):
            each = each + settings.weight_of_maps / count * distance(own, theirs)
        each = each * self.labels.image_weights(batch)
        return (1 - settings.soft_weight) * self.labels.total(outputs, batch, module) + each.sum()

    def weight(self, batch: TrainingBatch) -> Tensor | int:
        """That of the labels' loss."""
        return self.labels.weight(batch)


def _compared(student: Network, teacher: Network, kind: Kind) -> list[tuple[str, str]]:
    """The maps that are compared. Raises UsageError where there are none."""
    if kind == "soft":
        return []
    pairs = compared_maps(student, teacher)
    if not pairs:
        blind = teacher if stage_maps(student) else student
        raise UsageError(f"{blind.name} has no feature maps to compare; soft targets need none", settings="distill")
    return [pairs[len(pairs) // 2]] if kind == "hints" else pairs
