"""A training run in progress: what it holds, an epoch at a time, and how it is saved and put back."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from convsmith import records
from convsmith.data.augment.mixing import mix_batch
from convsmith.data.dataset import Finding
from convsmith.data.load.loader import Batch, Loader, seed_of
from convsmith.data.load.workers import EpochOrder
from convsmith.errors import ConvsmithError, DataError
from convsmith.evaluation.inference import device_of, evaluating, main_output
from convsmith.evaluation.predictions import Predictions
from convsmith.train.recipes.schedule import Updates
from convsmith.train.run.checkpoint import Checkpoint
from convsmith.train.run.events import EpochEnded, Event, Noticed, Started
from convsmith.train.run.state import Position, learner_tensors, load_learner, part, prediction_tensors, predictions_of
from convsmith.train.step.arithmetic import Arithmetic
from convsmith.train.step.freeze import frozen_stages, train_from
from convsmith.train.step.gradients import GradientNorms
from convsmith.train.step.group import ALONE, Group
from convsmith.train.step.learner import Learner
from convsmith.train.step.objective import ClassificationLoss, TrainingBatch
from convsmith.train.task import Task
from convsmith.train.tune.arithmetic import Tuned

DROPOUT_STREAM, MIXING_STREAM = 1, 2
"""Set the seeds of layers that draw at random, and of mixing, apart from those of augmentation in the same step."""

LOSS_CHECK_STEPS = 50
"""Steps after which the loss is looked at: reading it waits for the device."""

EXPLODED_RATIO = 10
"""Times the loss of guessing, log(classes), above which training has diverged: it does not come back from there."""

UNREADABLE_SHARE = 0.05
"""The share of the train split's files that may become unreadable while training."""


class DivergedError(ConvsmithError):
    """The loss is no longer finite, or has exploded."""


class UnreadableShareError(DataError):
    """More files have become unreadable than `UNREADABLE_SHARE` allows."""


class Run:
    """A learner, its loaders, its position, and the weights that it would deliver now.

    `predictions` are those of these weights on the val split; `gradients` what was measured in the last whole epoch.

    In a group of processes each trains on its part of every batch; what they hold is equal but for the `Loader`s.
    Networks without dropout and recipes without mixing come to the weights of one process, but for rounding.
    """

    def __init__(self, task: Task, tuned: Tuned, group: Group = ALONE) -> None:
        recipe, self.group, self.tuned = task.recipe, group, tuned
        train, val = task.dataset.split("train"), task.dataset.splits.get("val")
        device = device_of(task.module)
        self.loader = self._loader(
            task, "train", EpochOrder(recipe.seed, recipe.augment, recipe.repeats), recipe.epoch_steps
        )
        self._val = None if val is None else self._loader(task, "val")
        steps = len(self.loader)
        self.learner = Learner(
            task.module,
            recipe,
            task.objective,
            tuned.arithmetic,
            Updates(recipe.epochs * steps, round(recipe.warmup_epochs * steps), steps),
            stages=task.stages,
            after_update=task.after_update,
            group=group,
        )
        self.position = Position()
        self.delivered: dict[str, Tensor] = {}
        self.predictions: Predictions | None = None
        self.gradients: GradientNorms | None = None
        self.train_images, self.val_images = len(train), 0 if val is None else len(val)
        self._recipe, self._stages = recipe, task.stages
        self._classes = len(task.dataset.classes)
        self._size = task.preprocess.crop
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._checked = (0, 0.0)
        self._told: set[str] = set()
        self._speed = 0.0

    def _loader(self, task: Task, split: str, training: EpochOrder | None = None, steps: int | None = None) -> Loader:
        return Loader(
            task.dataset.split(split),
            task.preprocess,
            self.tuned.arithmetic.batch_size,
            training=training,
            device=device_of(task.module),
            workers=self.tuned.decoders,
            part=(self.group.rank, self.group.size),
            steps=steps,
        )

    @property
    def steps_done(self) -> int:
        """Updates since the run began."""
        return self.position.epoch * len(self.loader) + self.position.step

    @property
    def unreadable(self) -> tuple[Finding, ...]:
        """Files that were left out."""
        return self.loader.unreadable + (self._val.unreadable if self._val else ())

    def started(self) -> Started:
        """What a run says when it begins or goes on."""
        return Started(
            epochs=self._recipe.epochs,
            steps_per_epoch=len(self.loader),
            batch_size=self.loader.batch_size,
            train_images=self.train_images,
            arithmetic=str(self.tuned),
            epoch=self.position.epoch,
            step=self.position.step,
        )

    def train_epoch(self) -> Generator[Event | None]:
        """Trains what is left of the epoch. Yields after each step: there the run can be saved.

        What it yields is what happened there, if anything. Raises DivergedError, UnreadableShareError; DataError if no
        image can be read.
        """
        position = self.position
        start, before = time.perf_counter(), position.seen
        self._checked = (position.seen, self._total_loss())
        tuning = self._recipe.fine_tuning
        train_from(self.learner.module, self._stages, frozen_stages(tuning, position.epoch), tuning.norms)
        for batch in self.loader.epoch(position.epoch, position.step):
            loss, event = self._step(batch)
            images = int(self.group.sum(len(batch.labels), self._loss.device))
            self._loss.add_(loss, alpha=images)
            position.step = batch.step + 1
            position.seen += images
            yield event
            if position.step % LOSS_CHECK_STEPS == 0:
                self._check_loss()
                yield from self._unreadable_since()
                self._check_readable()
        if not position.seen:
            raise DataError(f"no training image is readable any more: {self.unreadable[0]}")
        self._check_loss()  # waits for the device, so that the time is that of the work
        self._speed = (position.seen - before) / (time.perf_counter() - start)
        self._check_weights()

    def end_epoch(self) -> list[Event]:
        """Evaluates, keeps weights that are to be delivered, decides whether to stop, and turns to the next epoch."""
        position, number = self.position, self.position.epoch + 1
        train_loss = self._total_loss() / position.seen
        rate = self.learner.learning_rate(self.steps_done - 1)
        _, val_loss, val_accuracy, predictions = self._evaluate(self._val) if self._val else (0, None, None, None)
        self.gradients, position.gradients = position.gradients, None
        norm = self.gradients.total if self.gradients else None
        ended = EpochEnded(number, train_loss, val_loss, val_accuracy, rate, self._speed, norm)
        position.history.append(ended)
        position.epoch, position.step, position.seen = number, 0, 0
        self._loss.zero_()
        if position.chosen(self.val_images):
            position.delivered, self.predictions = number, predictions
            self.delivered = {name: value.detach().clone() for name, value in self._evaluated_weights().items()}
        return [ended, *self._unreadable_since(), *self._stop()]

    def validate(self, seconds: float) -> int:
        """Evaluates for about so many seconds, to time it. Returns the number of images; 0 without a val split."""
        return 0 if self._val is None else self._evaluate(self._val, seconds)[0]

    def weights(self) -> dict[str, Tensor]:
        """The weights to deliver, on the CPU: before an epoch has ended, those that there are."""
        delivered = self.delivered or self._evaluated_weights()
        return {name: value.detach().cpu().clone().contiguous() for name, value in delivered.items()}

    def checkpoint(self) -> Checkpoint:
        """All of the run; see `restore`."""
        tensors = learner_tensors(self.learner) | {f"delivered/{name}": value for name, value in self.delivered.items()}
        tensors |= prediction_tensors(self.predictions)
        tuned = replace(self.tuned, arithmetic=self.learner.arithmetic)
        state: dict[str, Any] = {
            "position": records.to_json(self.position),
            "tuned": records.to_json(tuned),
            "lr_scale": self.learner.lr_scale,
        }
        return Checkpoint({**tensors, "loss": self.group.all_reduce(self._loss.clone())}, state)

    def restore(self, saved: Checkpoint) -> None:
        """Continues where `saved` was made. Raises CheckpointError if it is of another network."""
        load_learner(self.learner, saved.tensors)
        self.delivered, self.predictions = part(saved.tensors, "delivered/"), predictions_of(saved.tensors)
        self._loss.copy_(saved.tensors["loss"] if self.group.first else torch.zeros_like(self._loss))
        self.position = records.from_json(Position, saved.state["position"], "a run's position")
        self.learner.arithmetic = tuned_of(saved).arithmetic
        self.learner.lr_scale = saved.state["lr_scale"]

    def _step(self, batch: Batch) -> tuple[Tensor, Event | None]:
        """One update; in smaller parts where memory does not suffice for the batch at once."""
        number = self.position.epoch * len(self.loader) + batch.step
        images, targets = self._mixed(self._scaled(batch.images, number), batch)
        whole = TrainingBatch(images, targets, torch.from_numpy(batch.rows))
        last = batch.step + 1 == len(self.loader)
        parts = self.learner.arithmetic.parts
        while True:
            self._seed_dropout(batch.step)
            try:
                loss = self.learner.step(whole, number, measured=last)
                if last:
                    self.position.gradients = self.learner.gradient_norms
                return loss, self._in_parts(self.learner.arithmetic) if self.learner.arithmetic.parts != parts else None
            except RuntimeError as error:
                alone = self.group.size == 1  # others would wait for the gradients of the failed attempt
                if not alone or not is_out_of_memory(error) or self.learner.arithmetic.parts >= len(targets):
                    raise
            self.learner.optimizer.zero_grad()
            self.learner.arithmetic = replace(self.learner.arithmetic, parts=2 * self.learner.arithmetic.parts)

    @staticmethod
    def _in_parts(arithmetic: Arithmetic) -> Event:
        """What there is to say where memory did not suffice."""
        return Noticed(
            f"not enough memory for a batch of {arithmetic.batch_size}: it now goes through the network in "
            f"{arithmetic.parts} parts, whose gradients are summed"
        )

    def _scaled(self, images: Tensor, number: int) -> Tensor:
        """The images at the side that the recipe has for this step."""
        first, last = self._recipe.sides
        if images.ndim != 4 or first == last == 1:
            return images
        passed = min(1.0, number / max(1, 0.75 * self._recipe.epochs * len(self.loader)))
        share = first + (last - first) * passed
        # In eighths, so that a compiled step or a memory plan sees few sizes.
        height, width = (max(1, round(side * math.ceil(8 * share) / 8)) for side in self._size)
        return (
            images
            if (height, width) == tuple(images.shape[2:])
            else F.interpolate(images, (height, width), mode="bilinear", antialias=True)
        )

    def _mixed(self, images: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        if not self._recipe.mixing:
            return images, batch.labels
        seed = seed_of(self._recipe.seed, self.position.epoch, batch.step, MIXING_STREAM)
        generator = torch.Generator().manual_seed(seed)
        return mix_batch(images, batch.labels, self._classes, self._recipe.mixing, generator)

    def _total_loss(self) -> float:
        """The epoch's losses so far, of all processes, each times its images."""
        return self.group.all_reduce(self._loss.clone()).item()

    def _check_loss(self) -> None:
        """Raises DivergedError if the mean loss since the last look is not finite, or far above chance."""
        position, total = self.position, self._total_loss()
        seen, before = self._checked
        if position.seen == seen:
            return
        self._checked = (position.seen, total)
        recent = (total - before) / (position.seen - seen)
        # Of other objectives it is not known how large they may be.
        bounded = isinstance(self.learner.objective, ClassificationLoss)
        if math.isfinite(recent) and (recent <= EXPLODED_RATIO * max(1.0, math.log(self._classes)) or not bounded):
            return
        raise self._diverged(f"loss {recent:.4g}")

    def _check_weights(self) -> None:
        """Raises DivergedError if the last update, after which no loss was measured, has made weights that are no
        numbers."""
        weights = [value for value in self.learner.module.state_dict().values() if value.is_floating_point()]
        if not torch.isfinite(nn.utils.get_total_norm(weights)):
            raise self._diverged("weights that are not finite")

    def _diverged(self, what: str) -> DivergedError:
        rate = self.learner.learning_rate(self.steps_done - 1)
        return DivergedError(
            f"training diverged in epoch {self.position.epoch + 1}, step {self.position.step}: {what} at learning rate "
            f"{rate:.4g}; learning_rate {self._recipe.learning_rate:g} is too high"
        )

    def _check_readable(self) -> None:
        """Raises UnreadableShareError if too many files of the train split have become unreadable."""
        lost = sum(self.group.all_gather(len(self.loader.unreadable)))
        if lost > UNREADABLE_SHARE * self.train_images:
            raise UnreadableShareError(
                f"{lost:,} of {self.train_images:,} training images are no longer readable, more than "
                f"{UNREADABLE_SHARE:.0%}: {(*self.loader.unreadable, 'other workers name them')[0]}"
            )

    def _seed_dropout(self, step: int) -> None:
        """Layers that draw use torch's global generators: their state follows from the position, so it is not saved."""
        own = (self.group.rank,) if self.group.rank else ()
        seed = seed_of(self._recipe.seed, self.position.epoch, step, DROPOUT_STREAM, *own)
        torch.default_generator.manual_seed(seed)  # torch.manual_seed visits every backend: 2% of a LeNet-5 step
        if self._loss.is_cuda:
            torch.cuda.manual_seed(seed)

    def _stop(self) -> list[Event]:
        position, patience = self.position, self._recipe.patience
        best = position.best
        early = patience is not None and best is not None and position.epoch - best.epoch >= patience
        position.finished = early or position.epoch == self._recipe.epochs
        if not early or position.epoch == self._recipe.epochs:
            return []
        epochs = "1 epoch" if patience == 1 else f"{patience} epochs"
        return [Noticed(f"stopped after epoch {position.epoch}: {epochs} without a better val accuracy")]

    def _unreadable_since(self) -> list[Event]:
        new = [finding for finding in self.unreadable if finding.subject not in self._told]
        self._told |= {finding.subject for finding in new}
        return [Noticed(f"skipped, no longer readable: {finding}") for finding in new]

    def _evaluated_weights(self) -> dict[str, Tensor]:
        return self.learner.weights(max(0, self.steps_done - 1))

    @torch.inference_mode()
    def _evaluate(self, loader: Loader, seconds: float = math.inf) -> tuple[int, float, float, Predictions]:
        """Images, mean cross-entropy and accuracy of a split, in float32, and what was answered on each image.

        The batches that come after `seconds` are left out.
        """
        module, weights = self.learner.module, self._evaluated_weights()
        loss, correct, count = torch.zeros_like(self._loss), torch.zeros_like(self._loss), 0
        rows, predicted, losses = [], [], []  # left on the device until the end
        deadline = time.perf_counter() + seconds
        with evaluating(module), closing(loader.epoch()) as batches:
            for batch in batches:
                images = batch.images.contiguous(memory_format=self.learner.arithmetic.torch_format)
                logits = main_output(functional_call(module, weights, (images,)))
                rows.append(batch.rows)
                predicted.append(logits.argmax(dim=1))
                losses.append(F.cross_entropy(logits, batch.labels, reduction="none"))
                loss += losses[-1].sum()
                correct += (predicted[-1] == batch.labels).sum()
                count += len(batch.labels)
                if time.perf_counter() > deadline:
                    break
        loss, correct, counted = self.group.all_reduce(torch.stack([loss, correct, torch.full_like(loss, count)]))
        if not counted:
            raise DataError(f"no validation image is readable any more: {loader.unreadable[0]}")
        mine = Predictions(
            np.concatenate(rows), torch.cat(predicted).cpu().numpy(), torch.cat(losses).float().cpu().numpy()
        )
        predictions = Predictions.joined(self.group.all_gather(mine))
        return int(counted), (loss / counted).item(), (correct / counted).item(), predictions


def tuned_of(saved: Checkpoint) -> Tuned:
    """What was measured for the run that a checkpoint is of, with the arithmetic that it had come to."""
    return records.from_json(Tuned, saved.state["tuned"], "what was measured for a run")


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch failed for want of memory: CUDA has an error of its own, the CPU's allocator only words."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
