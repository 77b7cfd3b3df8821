"""A live bar on stderr, where stderr is a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from convsmith.train.events import EpochEnded, Event, Noticed, Started


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
    return f"epoch {event.epoch}: loss {event.train_loss:.4f}{val}, {event.images_per_second:,.0f} images/s"


def described(event: Event) -> str:
    """An event in a line."""
    if isinstance(event, EpochEnded):
        return summary(event)
    if isinstance(event, Noticed):
        return event.text
    begun = f", from epoch {event.epoch + 1}" if event.epoch or event.step else ""
    return f"training on {event.train_images:,} images, {event.epochs} epochs{begun}; {event.plan}"
