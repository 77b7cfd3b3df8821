"""Training from the first step, or from a checkpoint, to the delivered weights."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convsmith.data.dataset import Dataset, Finding
from convsmith.data.load.loader import InMemory
from convsmith.errors import CheckpointError, UsageError
from convsmith.evaluate.inference import device_of
from convsmith.network.preprocess import Preprocess
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.run.checkpoint import Checkpoint, CheckpointFolder, checkpoint_folder
from convsmith.train.run.events import EpochEnded, Event, Noticed
from convsmith.train.run.interrupt import Interruption, TrainingInterruptedError
from convsmith.train.run.log import RunLog
from convsmith.train.run.progress import LiveBar
from convsmith.train.run.run import DivergedError, Run, UnreadableShareError
from convsmith.train.step import compiling
from convsmith.train.step.freeze import Stages
from convsmith.train.step.group import Group
from convsmith.train.step.objective import Objective, objective_of
from convsmith.train.tune.decoders import decoders_for
from convsmith.train.tune.plan import Plan, choose_plan, speed_of

PICTURES_EVERY = 60.0
"""Seconds between pictures, which take some tenths of one: a short run has those of its end alone."""

SLOWEST = 1 / 32
"""The share of a recipe's learning rate below which a run that diverges is given up: the rate is not what is wrong."""


@dataclass(frozen=True, eq=False)
class TrainResult:
    """What training gives. The module that was trained holds `weights` too, and is in evaluation mode.

    `weights` are the moving average's if the recipe has one, else the optimizer's own; of the last epoch whose val
    accuracy is within a standard error of the best, or simply the last without a val split. `choice` says which.
    `images_per_second` is the median over epochs. `unreadable` lists files that failed and were left out.
    """

    weights: Mapping[str, Tensor]
    choice: str
    history: tuple[EpochEnded, ...]
    plan: Plan
    images_per_second: float
    unreadable: tuple[Finding, ...]


def fit_module(
    module: nn.Module,
    dataset: Dataset,
    preprocess: Preprocess,
    recipe: Recipe,
    run_dir: Path,
    *,
    checkpoints: str | None = None,
    resume: bool = False,
    recover: bool = False,
    decoders: int | None = None,
    network_json: Mapping[str, Any] | None = None,
    auxiliary_weights: tuple[float, ...] = (),
    stages: Stages = (),
    on_event: Callable[[Event], None] = lambda event: None,
) -> TrainResult:
    """Trains `module` on the data set's train split, on the device where its parameters are.

    In training mode the module returns logits (N, classes), or a tuple with auxiliary heads' logits after them;
    `auxiliary_weights` are those heads' shares in the loss; `stages` its layers, for recipes that freeze some.
    Checkpoints go to `run_dir`/checkpoint, or the folder or fsspec URL `checkpoints`, at the start, after every epoch
    and on SIGINT or SIGTERM; with `resume` the run goes on from the newest whole one, to bit-for-bit the weights that
    it would have had on this machine. Where `torch.distributed` has been started, all its processes call this alike and
    train together; the first of them writes, and each needs to be able to read the checkpoints.
    `network_json` identifies the network there. With `recover`, training that diverges goes on from the last checkpoint
    at half the learning rate, down to `SLOWEST` of it. `decoders` processes decode files, 0 for none; None: as many as
    keep up with the steps. How the steps run is measured, and kept with the checkpoints (`Plan`).

    Raises UsageError if `run_dir` holds a run and `resume` was not asked for; CheckpointError if a checkpoint cannot
    be written, or belongs to another recipe, network or data; TrainingInterruptedError after a signal; DataError if no
    image can be read; DivergedError if the loss explodes or is no longer finite.
    """
    folder = checkpoint_folder(checkpoints or run_dir / "checkpoint")
    if not resume and folder.files():
        raise UsageError(f"{run_dir} already holds a run: resume it (--resume), or choose another folder")
    saved, damaged = folder.read()
    identity = {
        "recipe": recipe.to_json(),
        "preprocess": preprocess.to_json(),
        "data": dataset.fingerprint,
        "network": network_json,
    }
    if saved is not None:
        _check_identity(str(folder), saved.state["identity"], json.loads(json.dumps(identity)))
    group = Group.current()
    objective = objective_of(dataset, recipe, auxiliary_weights, device_of(module))
    decoders = 0 if isinstance(dataset.split("train").images, InMemory) else decoders
    plan = group.the_firsts(
        _resumed(saved, device_of(module), decoders)
        if saved is not None
        else _plan(module, dataset, preprocess, recipe, objective, decoders, group)
    )
    run = Run(module, dataset, preprocess, recipe, objective, plan, stages, group)
    if saved is not None:
        run.restore(saved)
    length = saved.state["log_length"] if saved is not None else 0
    log = RunLog(run_dir, length=length, epoch=run.position.epoch) if group.first else nullcontext()
    with log as entered:
        diary = _Diary(run, dataset, folder, entered, on_event, identity)
        for line in damaged:
            diary.tell(Noticed(f"{line}; going on from the checkpoint before it"))
        if not run.position.finished:
            diary.tell(run.started())
        if saved is None:
            for line in plan.notes:
                diary.tell(Noticed(f"plan: {line}"))
            diary.save()
        _train(run, diary, recover)
    return _result(run, recipe, plan)


class _Diary:
    """Where a run's events and checkpoints go; nowhere but to the first of several processes."""

    def __init__(
        self,
        run: Run,
        dataset: Dataset,
        folder: CheckpointFolder,
        log: RunLog | None,
        on_event: Callable[[Event], None],
        identity: Mapping[str, Any],
    ) -> None:
        self.bar = LiveBar()
        self._run, self._folder, self._log, self._on_event, self._identity = run, folder, log, on_event, identity
        self._dataset, self._pictured = dataset, time.monotonic()

    def tell(self, event: Event) -> None:
        if self._log is not None:
            self._log.write(event)
            self.bar.show(event)
            self._on_event(event)

    def watch(self) -> None:
        """Shows what an epoch that has ended leaves to be looked at."""
        run = self._run
        if self._log is None:
            return
        if run.gradients is not None:
            self._log.gradients(run.gradients, run.position.epoch)
        due = time.monotonic() - self._pictured >= PICTURES_EVERY
        if run.answers is not None and (due or run.position.finished):
            self._log.pictures(self._dataset, run.answers, run.position.delivered)
            self._pictured = time.monotonic()

    def fall_back(self, error: DivergedError) -> None:
        """Puts back the last good state, at half the learning rate that it had."""
        share = self._run.position.rate_share / 2
        saved, damaged = self._folder.read()
        if saved is None:
            raise error
        self._run.restore(saved)
        self._run.slow_down(share / self._run.position.rate_share)
        for line in damaged:
            self.tell(Noticed(f"{line}; going on from the checkpoint before it"))
        self.tell(Noticed(f"{error}; going on from epoch {self._run.position.epoch} at {share:g} of the rate"))
        self.bar.show(self._run.started())

    def save(self) -> str:
        """Writes a checkpoint. Returns where it is, once it is there for every process."""
        checkpoint = self._run.checkpoint()
        path = ""
        if self._log is not None:
            state = {**checkpoint.state, "identity": self._identity, "log_length": self._log.saved_length()}
            path = str(self._folder.write(Checkpoint(checkpoint.tensors, state), self._run.steps_done))
        return str(self._run.group.the_firsts(path))


def _train(run: Run, diary: _Diary, recover: bool) -> None:
    """Epoch after epoch until the run is finished or a signal comes; after a divergence slower, if asked."""
    with diary.bar.progress, Interruption() as interruption:
        while not run.position.finished:
            try:
                _train_epoch(run, diary, interruption)
            except DivergedError as error:
                if not recover or run.position.rate_share <= SLOWEST:
                    raise
                diary.fall_back(error)
                continue
            except UnreadableShareError as error:
                raise UnreadableShareError(f"{error}; saved as {diary.save()}, --resume goes on from there") from None
            for event in run.end_epoch():
                diary.tell(event)
            diary.watch()
            diary.save()


def _train_epoch(run: Run, diary: _Diary, interruption: Interruption) -> None:
    # Closed as soon as it is left, for the processes that read files live as long as the generator.
    with closing(run.train_epoch()) as steps:
        for event in steps:
            diary.bar.advance()
            if event is not None:
                diary.tell(event)
            if interruption.received is not None:
                raise TrainingInterruptedError(diary.save(), interruption.received)


def _resumed(saved: Checkpoint, device: torch.device, decoders: int | None) -> Plan:
    """The checkpoint's plan, for another arithmetic would give other weights; the number of decoders is free."""
    plan = Plan.from_json(saved.state["plan"])
    if plan.compiled and (why := compiling.no_compiler(device)):
        raise CheckpointError(f"the run was begun with torch.compile, and cannot go on here: {why}")
    return plan if decoders is None else replace(plan, decoders=decoders)


def _plan(
    module: nn.Module,
    dataset: Dataset,
    preprocess: Preprocess,
    recipe: Recipe,
    objective: Objective,
    decoders: int | None,
    group: Group,
) -> Plan:
    """The fastest arithmetic, and the decoders that keep up with it, or as many as are given."""
    images, shape = len(dataset.split("train")), (preprocess.channels, *preprocess.crop)
    batch_size = min(recipe.batch_size, images)
    steps = recipe.epochs * (images // batch_size)
    plan = choose_plan(module, recipe, objective, shape, batch_size, steps=steps, processes=group.size)
    here = group.on_this_machine()
    if decoders is not None:
        return replace(plan, decoders=decoders)
    speed = speed_of(plan, module, recipe, objective, shape, batch_size)
    count, reason = decoders_for(dataset, preprocess, recipe, speed, here)
    return replace(plan, decoders=count, notes=(*plan.notes, reason))


def _check_identity(folder: str, saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    # Read as a recipe, settings that came after the checkpoint have the values that stand for what was done then.
    recipe = json.loads(json.dumps(Recipe.from_json(saved["recipe"]).to_json()))
    for name, value in wanted["recipe"].items():
        if recipe.get(name) != value:
            was = recipe.get(name)
            raise CheckpointError(f"{folder}: made with {name} {was}, not {value}; resume with {was} or train anew")
    for name in ("data", "preprocess", "network"):
        if saved[name] != wanted[name]:
            raise CheckpointError(f"{folder}: made with another {name}; resume with the same, or train anew elsewhere")


def _result(run: Run, recipe: Recipe, plan: Plan) -> TrainResult:
    weights, history, epoch = run.weights(), tuple(run.position.history), run.position.delivered
    run.learner.module.load_state_dict(weights)
    run.learner.module.eval()
    whose = "moving average" if recipe.ema_decay else "weights"
    accuracy = history[epoch - 1].val_accuracy
    val = "no val split" if accuracy is None else f"val accuracy {accuracy:.2%}"
    return TrainResult(
        weights=weights,
        choice=f"{whose} of epoch {epoch} of {len(history)}, {val}",
        history=history,
        plan=plan,
        images_per_second=statistics.median(entry.images_per_second for entry in history),
        unreadable=run.unreadable,
    )
