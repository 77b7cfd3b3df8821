"""Training from the first step, or from a checkpoint, to the delivered weights."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from convsmith import records
from convsmith.data.dataset import Dataset, Finding
from convsmith.data.load.loader import InMemory
from convsmith.errors import CheckpointError
from convsmith.evaluation.inference import device_of
from convsmith.network.preprocess import Preprocess
from convsmith.train.recipes.recipe import FineTuning, Recipe
from convsmith.train.run.checkpoint import Checkpoint
from convsmith.train.run.events import EpochEnded, Event, Noticed, StepEnded
from convsmith.train.run.run import DivergedError, Run, UnreadableShareError, tuned_of
from convsmith.train.run.store import MemoryStore, Store, check_identity
from convsmith.train.step import compiling
from convsmith.train.step.freeze import Stages
from convsmith.train.step.group import Group
from convsmith.train.step.learner import AfterUpdate
from convsmith.train.step.objective import MeanLoss, Objective, as_objective, default_objective, instrumented
from convsmith.train.task import Task
from convsmith.train.tune.arithmetic import Tuned
from convsmith.train.tune.tuned import tuned_for
from convsmith.transform.part import stages

LOWEST_LR_SCALE = 1 / 32
"""The share of a recipe's learning rate below which a run that diverges is given up: the rate is not what is wrong."""


@dataclass(frozen=True, eq=False)
class TrainResult:
    """What training gives.

    `weights` are the moving average's if the recipe has one, else the optimizer's own; of the last epoch whose val
    accuracy is within a standard error of the best, or simply the last without a val split. `choice` says which.
    `images_per_second` is the median over epochs. `unreadable` lists files that failed and were left out. `finished`
    is false where training was stopped before its end.
    """

    weights: Mapping[str, Tensor]
    choice: str
    history: tuple[EpochEnded, ...]
    tuned: Tuned
    images_per_second: float
    unreadable: tuple[Finding, ...]
    finished: bool = True


class Observer(Protocol):
    """Told what happens, in the process that writes; may look at the training, and may call its `stop`."""

    def __call__(self, event: Any, training: Any) -> None:
        """`event` is an `Event`; `training` is None where it goes on in another process."""
        ...


class Training:
    """A training that can be taken some epochs further, looked at, stopped, and carried on.

    `objective`, a function of (outputs, batch, module) or an `Objective`, is the recipe's loss if none is given.
    `after_update` follows each update and may change the weights. `tuned` says how the steps compute; None: the
    fastest way, measured first. `decoders` processes decode files, 0 for none; None: as many as keep up. Batches come
    from the train split of `dataset`, on the device of `module`. In training mode the module returns logits
    (N, classes), or whatever the objective takes; in evaluation mode logits.

    A `store` holds a checkpoint at the start, after every epoch, and where training is stopped; if it has one, the
    training goes on from there to bit-for-bit the weights that it would have had on this machine. Without a store
    nothing is written. Where `torch.distributed` has been started, all its processes do the same and train together;
    the first of them calls `observers` and saves. If the recipe says `recover`, training that diverges goes on from
    the last checkpoint at half the learning rate, down to `LOWEST_LR_SCALE` of it.

    Raises CheckpointError if the store's checkpoint is of another recipe, network or data, or cannot be used here.
    """

    def __init__(
        self,
        module: nn.Module,
        dataset: Dataset,
        preprocess: Preprocess,
        recipe: Recipe,
        *,
        objective: Objective | MeanLoss | None = None,
        after_update: AfterUpdate | None = None,
        tuned: Tuned | None = None,
        decoders: int | None = None,
        store: Store | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.dataset, self.saved_at = dataset, ""
        self._store = MemoryStore() if store is None and recipe.recover else store
        self._observers, self._recover, self._stopping = tuple(observers), recipe.recover, False
        made = as_objective(objective or default_objective(module, dataset, recipe, device_of(module)))
        self._delivered = frozenset(module.state_dict())
        module = instrumented(made, module)
        self._identity = _identity(module, dataset, preprocess, recipe)
        saved, damaged = (None, []) if self._store is None else self._store.load()
        if saved is not None:
            check_identity(str(self._store), saved.state["identity"], self._identity)
        task = Task(module, dataset, preprocess, recipe, made, _stages(module, recipe), after_update)
        if isinstance(dataset.split("train").images, InMemory):
            decoders = 0
        group = Group.current()
        if saved is not None:
            tuned = _resumed(saved, device_of(module))
        tuned = tuned or tuned_for(task, decoders, group)
        if decoders is not None:
            tuned = replace(tuned, decoders=decoders)
        self.run = Run(task, group.broadcast(tuned), group)
        if saved is not None:
            self.run.restore(saved)
        self._begin(saved is None, damaged)

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or the recipe's patience has ended."""
        return self.run.position.finished

    @property
    def history(self) -> tuple[EpochEnded, ...]:
        """What each epoch came to, from the first."""
        return tuple(self.run.position.history)

    @property
    def module(self) -> nn.Module:
        """The module in training, with the optimizer's weights."""
        return self.run.learner.module

    def stop(self) -> None:
        """Ends `advance` after the step in hand, saved; in a group of processes after the epoch. `advance` goes on."""
        self._stopping = True

    def advance(self, epochs: int | None = None) -> tuple[EpochEnded, ...]:
        """Trains to the end, or until so many more epochs are done. Returns those that were.

        Raises DivergedError if the loss explodes or is no longer finite; DataError if no image can be read;
        UnreadableShareError, with the state saved, if too many have become unreadable; CheckpointError if the store
        cannot save.
        """
        self._stopping = False
        before = len(self.run.position.history)
        until = None if epochs is None else self.run.position.epoch + epochs
        while not self.finished and not self._stopping and self.run.position.epoch != until:
            try:
                self._train_epoch()
            except DivergedError as error:
                self._fall_back(error)
                continue
            if not self._stopping or self.run.group.size > 1:
                for event in self.run.end_epoch():
                    self._tell(event)
            self._save()
            self._stopping = self.run.group.broadcast(self._stopping)
        return self.history[before:]

    def result(self) -> TrainResult:
        """What would be delivered now. The module goes on holding the optimizer's weights."""
        run, history = self.run, self.history
        speeds = [entry.images_per_second for entry in history]
        return TrainResult(
            weights={name: value for name, value in run.weights().items() if name in self._delivered},
            choice=self._choice(),
            history=history,
            tuned=replace(run.tuned, arithmetic=run.learner.arithmetic),
            images_per_second=statistics.median(speeds) if speeds else 0.0,
            unreadable=run.unreadable,
            finished=self.finished,
        )

    def _choice(self) -> str:
        epoch, history = self.run.position.delivered, self.history
        whose = "moving average" if self.run.learner.average is not None else "weights"
        if not epoch:
            return f"{whose} after {self.run.steps_done:,} updates"
        accuracy = history[epoch - 1].val_accuracy
        val = "no val split" if accuracy is None else f"val accuracy {accuracy:.2%}"
        return f"{whose} of epoch {epoch} of {len(history)}, {val}"

    def _begin(self, anew: bool, damaged: Sequence[str]) -> None:
        for line in damaged:
            self._tell(Noticed(f"{line}; going on from the checkpoint before it"))
        if not self.finished:
            self._tell(self.run.started())
        if anew:
            for line in self.run.tuned.notes:
                self._tell(Noticed(f"plan: {line}"))
            self._save()

    def _train_epoch(self) -> None:
        # Closed as soon as it is left: the processes that read files live as long as the generator.
        with closing(self.run.train_epoch()) as steps:
            try:
                for event in steps:
                    if event is not None:
                        self._tell(event)
                    self._tell(StepEnded(self.run.position.epoch, self.run.position.step))
                    if self._stopping and self.run.group.size == 1:
                        return
            except UnreadableShareError as error:
                saved = f"; saved as {self._save()}, from where it can be resumed" if self._store else ""
                raise UnreadableShareError(f"{error}{saved}") from None

    def _tell(self, event: Event) -> None:
        if self.run.group.first:
            for observer in self._observers:
                observer(event, self)

    def _fall_back(self, error: DivergedError) -> None:
        """Puts back the last good state, at half the learning rate that it had. Raises the error where that is vain."""
        scale = self.run.learner.lr_scale / 2
        if not self._recover or self._store is None or scale < LOWEST_LR_SCALE:
            raise error
        saved, damaged = self._store.load()
        if saved is None:
            raise error
        self.run.restore(saved)
        self.run.learner.lr_scale = scale
        for line in damaged:
            self._tell(Noticed(f"{line}; going on from the checkpoint before it"))
        self._tell(Noticed(f"{error}; going on from epoch {self.run.position.epoch} at {scale:g} of the rate"))
        self._tell(self.run.started())

    def _save(self) -> str:
        """Saves a checkpoint. Returns where it is, once it is there for every process."""
        if self._store is None:
            return ""
        checkpoint = self.run.checkpoint()
        if self.run.group.first:
            state = {**checkpoint.state, "identity": self._identity}
            self.saved_at = self._store.save(Checkpoint(checkpoint.tensors, state), self.run.steps_done)
        self.saved_at = str(self.run.group.broadcast(self.saved_at))
        return self.saved_at


def _identity(module: nn.Module, dataset: Dataset, preprocess: Preprocess, recipe: Recipe) -> dict[str, Any]:
    """What a checkpoint must share with the training that goes on from it."""
    shapes = [(name, list(value.shape)) for name, value in module.state_dict().items()]
    return {
        "recipe": recipe.to_json(),
        "preprocess": records.to_json(preprocess),
        "data": dataset.fingerprint,
        "network": hashlib.sha256(records.encode(shapes)).hexdigest(),
    }


def _stages(module: nn.Module, recipe: Recipe) -> Stages:
    """The layers of the module in stages, where the recipe treats these differently."""
    network = getattr(module, "network", None)
    return stages(network) if network is not None and recipe.fine_tuning != FineTuning() else ()


def _resumed(saved: Checkpoint, device: torch.device) -> Tuned:
    """What the checkpoint's run was tuned to: another arithmetic would give other weights."""
    tuned = tuned_of(saved)
    if tuned.arithmetic.compiled and (why := compiling.no_compiler(device)):
        raise CheckpointError(f"the run was begun with torch.compile, and cannot go on here: {why}")
    return tuned


def train(
    module: nn.Module,
    dataset: Dataset,
    preprocess: Preprocess,
    recipe: Recipe,
    *,
    objective: Objective | MeanLoss | None = None,
    after_update: AfterUpdate | None = None,
    tuned: Tuned | None = None,
    decoders: int | None = None,
    store: Store | None = None,
    observers: Sequence[Observer] = (),
) -> TrainResult:
    """Trains `module` to the recipe's end, or until an observer stops it: a `Training` in one call.

    Afterwards the module holds the delivered weights and is in evaluation mode. The arguments, and what is raised, are
    those of `Training` and its `advance`.
    """
    training = Training(
        module,
        dataset,
        preprocess,
        recipe,
        objective=objective,
        after_update=after_update,
        tuned=tuned,
        decoders=decoders,
        store=store,
        observers=observers,
    )
    training.advance()
    result = training.result()
    module.load_state_dict(result.weights)
    module.eval()
    return result
