"""A live bar on stderr, where stderr is a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from convsmith.train.run.events import EpochEnded, Event, Noticed, Started


class LiveBar:
    """Shows the epoch, its steps and the last figures; `progress` is entered around the run."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self.progress.add_task("training", total=None)

    def show(self, event: Event) -> None:
        if isinstance(event, Started):
            total, done = event.epochs * event.steps_per_epoch, event.epoch * event.steps_per_epoch + event.step
            self.progress.update(self._task, total=total, completed=done)
        elif isinstance(event, EpochEnded):
            self.progress.update(self._task, description=summary(event))

    def advance(self) -> None:
        """One step is done."""
        self.progress.advance(self._task)


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

    def line(self, event: Event) -> str:
        """One event in a line."""
        if isinstance(event, EpochEnded):
            return summary(event) + self._left(event.epoch)
        if isinstance(event, Noticed):
            return event.text
        self._started, self._since = event, self._clock()
        begun = f", from epoch {event.epoch + 1}" if event.epoch or event.step else ""
        return f"training on {event.train_images:,} images, {event.epochs} epochs{begun}; {event.plan}"

    def _left(self, epoch: int) -> str:
        started = self._started
        if started is None or not started.epoch < epoch < started.epochs:
            return ""
        done = epoch - started.epoch - started.step / started.steps_per_epoch
        seconds = (self._clock() - self._since) / done * (started.epochs - epoch)
        return f", {timedelta(seconds=round(seconds))} left"
