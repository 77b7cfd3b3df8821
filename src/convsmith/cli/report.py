"""`convsmith report`: a run's page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(run: Annotated[Path, typer.Argument(help="Folder of a run.")]) -> None:
    """Write report.html into a run's folder: curves, figures, confusions. `fit` does so when it ends.

    Example: convsmith report runs/photos
    """
    from convsmith.report.page import write_page
    from convsmith.report.record import read_run

    typer.echo(write_page(read_run(run)))
