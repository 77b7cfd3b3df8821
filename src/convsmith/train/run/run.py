"""A training run in progress: what it holds, an epoch at a time, and how it is saved and put back."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from convsmith.data.augment.mixing import mix_batch
from convsmith.data.dataset import Dataset, Finding
from convsmith.data.load.loader import Batch, Loader, seed_of
from convsmith.data.load.workers import Training
from convsmith.errors import ConvsmithError, DataError
from convsmith.evaluate.inference import device_of, evaluating, main_output
from convsmith.evaluate.predictions import Answers
from convsmith.network.preprocess import Preprocess
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.run.checkpoint import Checkpoint
from convsmith.train.run.events import EpochEnded, Event, Noticed, Started
from convsmith.train.run.state import Position, answers_of, answers_tensors, learner_tensors, load_learner, part
from convsmith.train.step.freeze import Stages, frozen_stages, train_from
from convsmith.train.step.gradients import GradientNorms
from convsmith.train.step.group import ALONE, Group
from convsmith.train.step.learner import Learner
from convsmith.train.step.objective import Objective
from convsmith.train.tune.plan import Plan

DROPOUT_STREAM, MIXING_STREAM = 1, 2
"""Set the seeds of layers that draw at random, and of mixing, apart from those of augmentation in the same step."""

CHECKED = 50
"""Steps after which the loss is looked at: reading it waits for the device."""

EXPLODED = 10
"""Times the loss of guessing, log(classes), above which training has diverged: it does not come back from there."""

UNREADABLE = 0.05
"""The share of the train split's files that may become unreadable while training."""


class DivergedError(ConvsmithError):
    """The loss is no longer finite, or has exploded."""


class UnreadableShareError(DataError):
    """More files have become unreadable than `UNREADABLE` allows."""


class Run:
    """A learner, its loaders, its position, and the weights that it would deliver now.

    `answers` are those of these weights on the val split; `gradients` what was measured in the last whole epoch.

    In a group of processes each trains on its part of every batch; what they hold is equal but for the `Loader`s.
    Networks without dropout and recipes without mixing come to the weights of one process, but for rounding.
    """

    def __init__(
        self,
        module: nn.Module,
        dataset: Dataset,
        preprocess: Preprocess,
        recipe: Recipe,
        objective: Objective,
        plan: Plan,
        stages: Stages = (),
        group: Group = ALONE,
    ) -> None:
        device = device_of(module)
        train, val = dataset.split("train"), dataset.splits.get("val")
        training = Training(recipe.seed, recipe.augment, recipe.repeats)
        part = (group.rank, group.size)
        self.group = group
        self.loader = Loader(
            train, preprocess, recipe.batch_size, training=training, device=device, workers=plan.decoders, part=part
        )
        self._val = (
            None
            if val is None
            else Loader(val, preprocess, recipe.batch_size, device=device, workers=plan.decoders, part=part)
        )
        self.learner = Learner(
            module,
            recipe,
            objective,
            plan.memory_format,
            plan.precision,
            total_steps=recipe.epochs * len(self.loader),
            compiled=plan.compiled,
            warmup_steps=round(recipe.warmup_epochs * len(self.loader)),
            epoch_steps=len(self.loader),
            stages=stages,
            group=group,
        )
        self.position = Position(accumulate=recipe.accumulate)
        self.delivered: dict[str, Tensor] = {}
        self.answers: Answers | None = None
        self.gradients: GradientNorms | None = None
        self._recipe, self._plan, self._stages = recipe, plan, stages
        self._train_images, self._val_images = len(train), 0 if val is None else len(val)
        self._classes = len(dataset.classes)
        self._side = preprocess.crop
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._checked = (0, 0.0)
        self._told: set[str] = set()
        self._speed = 0.0

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
            train_images=self._train_images,
            plan=str(self._plan),
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
            images = int(self.group.total(len(batch.labels), self._loss.device))
            self._loss.add_(loss, alpha=images)
            position.step = batch.step + 1
            position.seen += images
            yield event
            if position.step % CHECKED == 0:
                self._check_loss()
                yield from self._unreadable_since()
                self._check_readable()
        if not position.seen:
            raise DataError(f"no image of the train split can be read any more: {self.unreadable[0]}")
        self._check_loss()  # waits for the device, so that the time is that of the work
        self._speed = (position.seen - before) / (time.perf_counter() - start)

    def end_epoch(self) -> list[Event]:
        """Evaluates, keeps weights that are to be delivered, decides whether to stop, and turns to the next epoch."""
        position, number = self.position, self.position.epoch + 1
        train_loss = self._total_loss() / position.seen
        rate = self.learner.learning_rate(self.steps_done - 1)
        val_loss, val_accuracy, answers = self._evaluate(self._val) if self._val else (None, None, None)
        self.gradients, position.gradients = position.gradients, None
        norm = self.gradients.total if self.gradients and math.isfinite(self.gradients.total) else None
        ended = EpochEnded(number, train_loss, val_loss, val_accuracy, rate, self._speed, norm)
        position.history.append(ended)
        position.epoch, position.step, position.seen = number, 0, 0
        self._loss.zero_()
        if position.chosen(self._val_images):
            position.delivered, self.answers = number, answers
            self.delivered = {name: value.detach().clone() for name, value in self._evaluated_weights().items()}
        return [ended, *self._unreadable_since(), *self._stop()]

    def weights(self) -> dict[str, Tensor]:
        """The weights to deliver, on the CPU."""
        return {name: value.cpu().contiguous() for name, value in self.delivered.items()}

    def checkpoint(self) -> Checkpoint:
        """All of the run; see `restore`."""
        tensors = learner_tensors(self.learner) | {f"delivered/{name}": value for name, value in self.delivered.items()}
        state: dict[str, Any] = {"position": self.position.to_json(), "plan": self._plan.to_json()}
        tensors |= answers_tensors(self.answers)
        return Checkpoint({**tensors, "loss": self.group.add_up(self._loss.clone())}, state)

    def restore(self, saved: Checkpoint) -> None:
        """Continues where `saved` was made. Raises CheckpointError if it is of another network."""
        load_learner(self.learner, saved.tensors)
        self.delivered, self.answers = part(saved.tensors, "delivered/"), answers_of(saved.tensors)
        self._loss.copy_(saved.tensors["loss"] if self.group.first else torch.zeros_like(self._loss))
        self.position = Position.from_json(saved.state["position"])
        self.learner.accumulate, self.learner.rate_share = self.position.accumulate, self.position.rate_share

    def slow_down(self, share: float) -> None:
        """Multiplies the learning rates to come."""
        self.position.rate_share *= share
        self.learner.rate_share = self.position.rate_share

    def _step(self, batch: Batch) -> tuple[Tensor, Event | None]:
        """One update; in smaller parts where memory does not suffice for the batch at once."""
        number = self.position.epoch * len(self.loader) + batch.step
        images, targets = self._mixed(self._scaled(batch.images, number), batch)
        last = batch.step + 1 == len(self.loader)
        while True:
            self._seed_dropout(batch.step)
            try:
                loss = self.learner.step(images, targets, number, measured=last)
                if last:
                    self.position.gradients = self.learner.gradient_norms
                return loss, self._smaller_parts()
            except RuntimeError as error:
                alone = self.group.size == 1  # others would wait for the gradients of the failed attempt
                if not alone or not is_out_of_memory(error) or self.learner.accumulate >= len(targets):
                    raise
            self.learner.optimizer.zero_grad()
            self.learner.accumulate *= 2

    def _smaller_parts(self) -> Event | None:
        """What there is to say where memory did not suffice: once, and remembered by checkpoints."""
        parts = self.learner.accumulate
        if parts == self.position.accumulate:
            return None
        self.position.accumulate = parts
        return Noticed(
            f"memory does not suffice for {self.loader.batch_size} images at once: "
            f"they now go through the network in {parts} parts, whose gradients are added up"
        )

    def _scaled(self, images: Tensor, number: int) -> Tensor:
        """The images at the side that the recipe has for this step."""
        first, last = self._recipe.sides
        if images.ndim != 4 or first == last == 1:
            return images
        passed = min(1.0, number / max(1, 0.75 * self._recipe.epochs * len(self.loader)))
        share = first + (last - first) * passed
        # In eighths, so that a compiled step or a memory plan sees few sizes.
        height, width = (max(1, round(side * math.ceil(8 * share) / 8)) for side in self._side)
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
        return self.group.add_up(self._loss.clone()).item()

    def _check_loss(self) -> None:
        """Raises DivergedError if the mean loss since the last look is not finite, or far above chance."""
        position, total = self.position, self._total_loss()
        seen, before = self._checked
        if position.seen == seen:
            return
        self._checked = (position.seen, total)
        recent = (total - before) / (position.seen - seen)
        if math.isfinite(recent) and recent <= EXPLODED * max(1.0, math.log(self._classes)):
            return
        rate = self.learner.learning_rate(self.steps_done - 1)
        raise DivergedError(
            f"training diverged in epoch {position.epoch + 1}, step {position.step}: loss {recent:.4g} at learning "
            f"rate {rate:.4g}; learning_rate {self._recipe.learning_rate:g} is too high"
        )

    def _check_readable(self) -> None:
        """Raises UnreadableShareError if too many files of the train split have become unreadable."""
        lost = sum(self.group.gathered(len(self.loader.unreadable)))
        if lost > UNREADABLE * self._train_images:
            raise UnreadableShareError(
                f"{lost:,} of {self._train_images:,} training images can no longer be read, more than "
                f"{UNREADABLE:.0%}: {(*self.loader.unreadable, 'other workers name them')[0]}"
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
        return [Noticed(f"stopped after epoch {position.epoch}: {patience} epochs without a better val accuracy")]

    def _unreadable_since(self) -> list[Event]:
        new = [finding for finding in self.unreadable if finding.subject not in self._told]
        self._told |= {finding.subject for finding in new}
        return [Noticed(f"left out, for it cannot be read any more: {finding}") for finding in new]

    def _evaluated_weights(self) -> dict[str, Tensor]:
        average = self.learner.average
        return dict(self.learner.module.state_dict()) if average is None else average.shadow

    @torch.inference_mode()
    def _evaluate(self, loader: Loader) -> tuple[float, float, Answers]:
        """Mean cross-entropy and accuracy over a split, in float32, and what was answered on each image."""
        module, weights = self.learner.module, self._evaluated_weights()
        loss, correct, count = torch.zeros_like(self._loss), torch.zeros_like(self._loss), 0
        rows, predicted, losses = [], [], []  # left on the device until the end
        with evaluating(module):
            for batch in loader.epoch():
                images = batch.images.contiguous(memory_format=self.learner.memory_format)
                logits = main_output(functional_call(module, weights, (images,)))
                rows.append(batch.rows)
                predicted.append(logits.argmax(dim=1))
                losses.append(F.cross_entropy(logits, batch.labels, reduction="none"))
                loss += losses[-1].sum()
                correct += (predicted[-1] == batch.labels).sum()
                count += len(batch.labels)
        loss, correct, counted = self.group.add_up(torch.stack([loss, correct, torch.full_like(loss, count)]))
        if not counted:
            raise DataError(f"no image of the val split can be read any more: {loader.unreadable[0]}")
        mine = Answers(
            np.concatenate(rows), torch.cat(predicted).cpu().numpy(), torch.cat(losses).float().cpu().numpy()
        )
        return (loss / counted).item(), (correct / counted).item(), Answers.gathered(self.group.gathered(mine))


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch failed for want of memory: CUDA has an error of its own, the CPU's allocator only words."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
