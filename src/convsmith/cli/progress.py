"""Progress bars on stderr, which only a terminal shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import ProgressColumn, TaskID

    from convsmith.download import Progress as Tell
    from convsmith.train.run.events import Event
    from convsmith.train.run.loop import Observer


@contextmanager
def download_progress() -> Iterator[Tell]:
    """What a download reports (bytes done, bytes in all) to, drawn as a bar with bytes and speed."""
    from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn

    with _bar("fetching", (BarColumn(), DownloadColumn(), TransferSpeedColumn())) as tell:
        yield tell


@contextmanager
def image_progress(title: str, *, shown: bool = True) -> Iterator[Tell]:
    """What is told (images done, images in all), drawn as a bar with their number and the time that is left."""
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

    with _bar(title, (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()), shown=shown) as tell:
        yield tell


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """What is told (what is being done, how much of it, how much in all), drawn as one bar after another."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, disable=hidden) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield tell


def teller() -> Observer:
    """An observer that prints every event but the single steps to stderr, a line each."""
    from typer import echo

    from convsmith.train.run.events import StepEnded
    from convsmith.train.run.progress import Lines

    lines = Lines()

    def tell(event: Event, training: object) -> None:
        if not isinstance(event, StepEnded):
            echo(lines.line(event), err=True)

    return tell


@contextmanager
def _bar(title: str, columns: tuple[ProgressColumn, ...], *, shown: bool = True) -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    hidden = not (shown and console.is_terminal)
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, disable=hidden) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
