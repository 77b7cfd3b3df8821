"""A live bar on stderr, where stderr is a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from convsmith.train.run.events import EpochEnded, Event, LoggedEvent, Noticed, Started, StepEnded


class LiveBar:
    """An observer that shows the epoch, its steps and the last figures, while entered."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("training", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def check(self, done: int, total: int) -> None:
        """Shows how many files of how many have been checked, before training."""
        self._progress.update(self._task, description="checking images", total=total, completed=done)

    def __call__(self, event: Event, training: object = None) -> None:
        if isinstance(event, Started):
            total, done = event.epochs * event.steps_per_epoch, event.epoch * event.steps_per_epoch + event.step
            self._progress.update(self._task, description="training", total=total, completed=done)
        elif isinstance(event, StepEnded):
            self._progress.advance(self._task)
        elif isinstance(event, EpochEnded):
            self._progress.update(self._task, description=summary(event))


def summary(event: EpochEnded) -> str:
    """One epoch in a line."""
    val = "" if event.val_accuracy is None else f", val accuracy {event.val_accuracy:.2%}"
    speed = f"learning rate {event.learning_rate:.2g}, {event.images_per_second:,.0f} images/s"
    return f"epoch {event.epoch}: loss {event.train_loss:.4f}{val}, {speed}"


class Lines:
    """Events as lines, with the time that is left of training at the pace since it was started."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started: Started | None = None
        self._since = 0.0

    def line(self, event: LoggedEvent) -> str:
        """One event in a line."""
        if isinstance(event, EpochEnded):
            return summary(event) + self._left(event.epoch)
        if isinstance(event, Noticed):
            return event.text
        self._started, self._since = event, self._clock()
        begun = f", from epoch {event.epoch + 1}" if event.epoch or event.step else ""
        epochs = "1 epoch" if event.epochs == 1 else f"{event.epochs} epochs"
        return f"training on {event.train_images:,} images, {epochs}{begun}; {event.arithmetic}"

    def _left(self, epoch: int) -> str:
        started = self._started
        if started is None or not started.epoch < epoch < started.epochs:
            return ""
        done = epoch - started.epoch - started.step / started.steps_per_epoch
        seconds = (self._clock() - self._since) / done * (started.epochs - epoch)
        return f", {timedelta(seconds=round(seconds))} left"
