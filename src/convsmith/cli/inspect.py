"""`convsmith inspect`: what is wrong with a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convsmith.cli.verb import say


def inspect(
    data: Annotated[str, typer.Argument(help="Folder of images, manifest, archive, array file, or a data set's name.")],
    seed: Annotated[int, typer.Option(min=0, help="Split data that have no splits of their own by it.")] = 0,
    html: Annotated[Path | None, typer.Option(metavar="PAGE", help="Write a page with pictures of the worst.")] = None,
    fix: Annotated[Path | None, typer.Option(metavar="CSV", help="Write a cleaned manifest; images stay.")] = None,
    drop: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="With --fix, leave out this issue's images too.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if there is an error or a bad file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find what is wrong with a data set: broken and repeated images, leaks, wrong labels, missing classes, and more.

    Each issue says which images, why it matters and what to do. Nothing is trained or changed.

    Example: convsmith inspect photos/ --html photos.html --fix clean.csv
    """
    from convsmith.cli.progress import stages
    from convsmith.doctor.inspection import inspect as look
    from convsmith.doctor.manifest import write_manifest
    from convsmith.doctor.page import write_inspection

    with stages() as tell:
        inspection = look(data, seed=seed, progress=tell)
    if fix is not None:
        typer.echo(write_manifest(inspection, fix, drop=tuple(drop or ())), err=True)
    if html is not None:
        typer.echo(write_inspection(inspection, html), err=True)
    say(inspection, as_json=as_json)
    if strict:
        inspection.require_sound()
