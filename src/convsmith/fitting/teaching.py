"""The teacher of a run: looked at with the student's eyes before anything is trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convsmith.data.dataset import Dataset
from convsmith.errors import UsageError
from convsmith.evaluation.inference import best_device, predict_logits
from convsmith.evaluation.metrics import wilson
from convsmith.fitting.chosen import Chosen
from convsmith.fitting.trials import some
from convsmith.request import Request, described
from convsmith.resolve import model_of
from convsmith.train.distillation.distilling import TaughtBy, distillation_loss
from convsmith.train.distillation.teacher import Teacher
from convsmith.train.step.objective import ClassificationLoss

MOST_IMAGES = 1000
"""On which the teacher's accuracy is measured: it may be large, and 1,000 say it to 3 points."""


def with_teacher(request: Request, chosen: Chosen, dataset: Dataset) -> Chosen:
    """The same with the request's teacher, if it has one: what it is, and how good it is on the student's images.

    Raises UsageError as `distilling` does, and where only a classifier is trained on frozen features; what `model_of`
    raises for a word.
    """
    if request.teacher is None:
        return chosen
    plan, how = chosen.plan, request.distillation
    if plan.head_only:
        raise UsageError(
            "a classifier on frozen features is trained without images, which a teacher needs; train more than that",
            settings=("teacher", "freeze"),
        )
    model = model_of(request.teacher)
    labels = ClassificationLoss(loss=plan.recipe.loss)
    distillation_loss(model, plan.network, dataset.classes, plan.preprocess, how, labels)  # refuses what cannot be
    split = "val" if "val" in dataset.splits else "test"
    images = some(dataset.split(split), MOST_IMAGES)
    teacher = Teacher(model, plan.preprocess, dataset.classes).to(best_device())
    answers = predict_logits(teacher, images, plan.preprocess, workers=0).argmax(1)
    accuracy = wilson(int(np.count_nonzero(answers == images.labels)), len(images))
    about = TaughtBy(described(request.teacher), model.network.name, how, accuracy, len(images), split)
    return replace(chosen, plan=replace(plan, taught_by=about), teacher=model)
