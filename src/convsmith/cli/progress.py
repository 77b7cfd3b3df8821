"""Progress bars on stderr, which only a terminal shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convsmith.download import Progress as Tell


@contextmanager
def download_progress() -> Iterator[Tell]:
    """What a download tells its progress to, drawn as a bar with bytes and speed."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("fetching", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def image_progress(total: int, *, shown: bool) -> Iterator[Callable[[], None]]:
    """What is called after each image, drawn as a bar with their number and the time that is left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    disable = not (shown and console.is_terminal)
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, disable=disable) as bar:
        task = bar.add_task("predicting", total=total)
        yield lambda: bar.advance(task)
