"""What is measured on this machine before a run, in its order: arithmetic, batch, learning rate, pace."""

from __future__ import annotations

import time
from dataclasses import replace
from math import ceil, floor

from convsmith.data.dataset import Dataset
from convsmith.errors import UsageError
from convsmith.evaluation.inference import best_device
from convsmith.fitting.chosen import Chosen
from convsmith.fitting.delivery import delivery_seconds
from convsmith.request import Request
from convsmith.train.recipes.default import with_batch
from convsmith.train.recipes.recipe import FineTuning
from convsmith.train.run.plan import RunPlan, first_module, objective_of
from convsmith.train.step.objective import Objective, as_objective, instrumented
from convsmith.train.task import Task
from convsmith.train.tune.arithmetic import Tuned
from convsmith.train.tune.batch_size import fastest_batch
from convsmith.train.tune.learning_rate import highest_rate
from convsmith.train.tune.pace import pace_of, within_seconds
from convsmith.train.tune.tuned import tuned_for
from convsmith.transform.part import stages

SPARE_SECONDS = 0.5
"""For the run's page, and for the process to end."""

SPARE_SHARE = 0.04
"""The share of the training's time that is not planned: the machine does other things too."""

FEWEST_EPOCHS = 0.7
"""The share of its recipe's epochs that a training has at least, however slow the machine is, where no time is asked
for."""


def measure(
    request: Request, chosen: Chosen, dataset: Dataset, deadline: float | None, objective: Objective | None = None
) -> tuple[RunPlan, Tuned | None]:
    """The plan with the batch, learning rate and epochs that were to be found, and how its steps compute.

    What was chosen without a time gets fewer epochs where the machine is slower than its choice took it to be.
    `deadline`, of `time.monotonic()`, is when all is to end. None is measured, for the training to do, where nothing
    depends on it. Raises UsageError where the time is too short or nothing is left to measure.
    """
    plan = chosen.plan
    auto = [name for name in ("batch_size", "learning_rate") if getattr(request, name) == "auto"]
    usual = None if deadline is not None or request.cluster is not None else chosen.usual_seconds
    if not auto and deadline is None and usual is None:
        return plan, None
    if plan.head_only and not auto and chosen.choice is not None:
        return plan, None  # it was chosen because it takes less than the time
    if plan.head_only:
        raise UsageError(
            "are found by training; a classifier on frozen features takes seconds as it is",
            settings=(*auto, *([] if deadline is None else ["seconds"])),
        )
    task = _task(plan, chosen, dataset, objective)
    if request.batch_size == "auto":
        batch, reason = fastest_batch(
            task.module, plan.network, plan.recipe, task.objective, len(dataset.split("train"))
        )
        keep_rate = request.learning_rate not in (None, "auto")
        recipe = replace(plan.recipe, batch_size=batch) if keep_rate else with_batch(plan.recipe, plan.network, batch)
        plan = replace(plan, recipe=recipe, notes=(*plan.notes, reason))
        task = replace(task, recipe=recipe)
    left = None if deadline is None else deadline - time.monotonic()
    tuned = tuned_for(task, request.decoders, seconds=left)
    if request.learning_rate == "auto":
        rate = highest_rate(
            *(task.module, dataset, plan.preprocess, plan.recipe),
            objective=task.objective,
            arithmetic=tuned.arithmetic,
            stages=task.stages,
        )
        plan = replace(plan, recipe=replace(plan.recipe, learning_rate=rate))
        task = replace(task, recipe=plan.recipe)
    if deadline is not None:
        plan = _timed(plan, task, tuned, deadline)
    elif usual is not None:
        plan = _shortened(plan, task, tuned, usual)
    return plan, tuned


def _timed(plan: RunPlan, task: Task, tuned: Tuned, deadline: float) -> RunPlan:
    """The plan with as many updates as end in time; warm-up keeps its share of them."""
    pace = pace_of(task, tuned)
    after = delivery_seconds(plan, task.module, task.dataset)
    left = (deadline - time.monotonic() - after - SPARE_SECONDS) * (1 - SPARE_SHARE)
    updates = len(task.dataset.split("train")) // task.batch_size
    recipe = within_seconds(plan.recipe, left, pace, updates)
    note = f"the test, the export and its verification take about {after:.1f} s, so {max(0.0, left):,.0f} s are left"
    return replace(plan, recipe=recipe, notes=(*plan.notes, note))


def _shortened(plan: RunPlan, task: Task, tuned: Tuned, seconds: float) -> RunPlan:
    """The plan with fewer epochs where all of them take longer than `seconds` here, but with most of them."""
    recipe, pace = plan.recipe, pace_of(task, tuned)
    updates = recipe.epoch_steps or len(task.dataset.split("train")) // task.batch_size
    share = seconds / pace.seconds(recipe, recipe.epochs * updates)
    epochs = max(ceil(FEWEST_EPOCHS * recipe.epochs), floor(share * recipe.epochs))
    if epochs >= recipe.epochs:
        return plan
    note = f"{epochs} epochs in place of {recipe.epochs}, which take about {seconds / share:,.0f} s here"
    warmup = recipe.warmup_epochs * epochs / recipe.epochs
    return replace(plan, recipe=replace(recipe, epochs=epochs, warmup_epochs=warmup), notes=(*plan.notes, note))


def _task(plan: RunPlan, chosen: Chosen, dataset: Dataset, objective: Objective | None) -> Task:
    module = first_module(plan, dataset.classes, chosen.start).to(best_device())
    made = as_objective(objective or objective_of(plan, module, dataset, chosen.teacher))
    groups = stages(plan.network) if plan.recipe.fine_tuning != FineTuning() else ()
    return Task(instrumented(made, module), dataset, plan.preprocess, plan.recipe, made, groups)
