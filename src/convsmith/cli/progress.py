"""Progress bars on stderr, which only a terminal shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from convsmith.download import Progress as Tell


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
def _bar(title: str, columns: tuple[ProgressColumn, ...], *, shown: bool = True) -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    hidden = not (shown and console.is_terminal)
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, disable=hidden) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
