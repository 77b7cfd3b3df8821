"""`convsmith data`: look at data sets, and get the known ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convsmith.cli.verb import say

app = typer.Typer(no_args_is_help=True, help="Pack a data set into shards, list the known ones, fetch one.")


@app.command()
def pack(
    data: Annotated[str, typer.Argument(help="What to pack: any data set that `fit` takes.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder for the shards.")],
    boxes: Annotated[
        bool, typer.Option("--boxes", help="Crop each image to its box (Stanford Dogs, CUB-200-2011); writes PNG.")
    ] = False,
) -> None:
    """Write a data set as WebDataset shards: tar files of images and labels, with an index of their checksums.

    Example: convsmith data pack photos/ -o shards/
    """
    from convsmith.data.sources.boxes import boxes_of
    from convsmith.data.sources.detect import read_source
    from convsmith.data.sources.shards import pack as write

    listing = read_source(data)
    for finding in (*listing.findings, *listing.notes):
        typer.echo(f"note: {finding}", err=True)
    for shard in write(listing, out, boxes=boxes_of(listing) if boxes else None):
        typer.echo(f"{out / shard.file}: {shard.images:,} images, {shard.bytes:,} bytes, sha256 {shard.sha256}")


@app.command()
def verify(shards: Annotated[Path, typer.Argument(help="Folder that `convsmith data pack` wrote.")]) -> None:
    """Compare every shard with its checksum.

    Example: convsmith data verify shards/
    """
    from convsmith.data.sources.shards import verify_shards

    count = verify_shards(shards, lambda file: typer.echo(file, err=True))
    typer.echo(f"{count} shards are as they were written")


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="A name that `convsmith data list` shows.")]) -> None:
    """Get a known data set: by apt or npm, or else from where it is published, with checksums.

    Example: convsmith data fetch digits
    """
    from convsmith.data.known.fetch import fetch as get

    typer.echo(get(name, tell=lambda line: typer.echo(line, err=True)))


@app.command(name="list")
def list_known(as_json: Annotated[bool, typer.Option("--json", help="A list of objects.")] = False) -> None:
    """List the data sets known by name, and where they are on this machine.

    Example: convsmith data list
    """
    from convsmith.data.known.names import NAMED

    rows = [(known.name, known.about, known.folder()) for known in NAMED.values()]
    if as_json:
        say([{"name": n, "about": a, "folder": f} for n, a, f in rows], as_json=True)
        return
    for name, about, folder in rows:
        typer.echo(f"{name:<14} {about}: {folder or f'not here yet (convsmith data fetch {name})'}")
