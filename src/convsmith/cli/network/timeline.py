"""`convsmith timeline`: the zoo by year, with what was new."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convsmith.cli.verb import say


def timeline(
    plot: Annotated[Path | None, typer.Option(help="Draw accuracy by year: .svg, .png or .pdf.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """List the zoo by year: each paper's best known network, its cost and accuracy, and what was new in it.

    Example: convsmith timeline --plot timeline.svg
    """
    from convsmith.zoo.timeline import text_of, timeline as landmarks_by_date

    if plot is not None:
        from convsmith.report.charts.canvas import check_chart

        check_chart(plot)
    landmarks = landmarks_by_date()
    if plot is not None:
        from convsmith.report.charts.timeline import draw_timeline

        draw_timeline(landmarks, plot)
        typer.echo(f"plot: {plot}", err=True)
    say([one.to_json() for one in landmarks] if as_json else text_of(landmarks), as_json=as_json)
