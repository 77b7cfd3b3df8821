"""`convsmith data`: look at data sets, and get the known ones."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Inspect a data set, list the known ones, fetch one.")


@app.command()
def inspect(
    data: Annotated[
        str, typer.Argument(help="Folder, manifest (CSV, Parquet), IDX or npz file, or a data set's name.")
    ],
    seed: Annotated[int, typer.Option(min=0, help="Of the split, where the data has none of its own.")] = 0,
    strict: Annotated[bool, typer.Option(help="Refuse the data if any file is unreadable.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every image as `fit` does: classes, images in each split, size, colour, and the files left out, with why.

    Example: convsmith data inspect photos/
    """
    from convsmith.data.open import open_dataset
    from convsmith.data.summary import summarize

    summary = summarize(open_dataset(data, seed=seed, strict=strict))
    typer.echo(json.dumps(summary.to_json()) if as_json else str(summary))


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="A name that `convsmith data list` shows.")]) -> None:
    """Get a known data set: by apt or npm, or else from where it is published, with checksums.

    Example: convsmith data fetch digits
    """
    from convsmith.data.fetch import fetch as get

    typer.echo(get(name, tell=lambda line: typer.echo(line, err=True)))


@app.command(name="list")
def list_known(as_json: Annotated[bool, typer.Option("--json", help="A list of objects.")] = False) -> None:
    """List the data sets known by name, and where they are on this machine.

    Example: convsmith data list
    """
    from convsmith.data.named import NAMED

    rows = [(known.name, known.about, known.folder()) for known in NAMED.values()]
    if as_json:
        typer.echo(json.dumps([{"name": n, "about": a, "folder": f and str(f)} for n, a, f in rows]))
        return
    for name, about, folder in rows:
        typer.echo(f"{name:<14} {about}: {folder or f'not here yet (convsmith data fetch {name})'}")
