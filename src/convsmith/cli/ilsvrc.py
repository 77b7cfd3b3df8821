"""`convsmith ilsvrc`: entries to ImageNet's challenge, and their score."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convsmith.cli.verb import say

app = typer.Typer(no_args_is_help=True, help="Write entries to ILSVRC 2012's classification task, and score them.")


@app.command()
def predict(
    models: Annotated[list[str], typer.Argument(help="Model files, run folders or published weights.")],
    data: Annotated[Path, typer.Argument(help="Folder of ILSVRC 2012, or its val or test images (folder or tar).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The entry: a text file.")],
    kit: Annotated[Path | None, typer.Option(help="Development kit, where it is not beside the images.")] = None,
) -> None:
    """Write five guesses a line, an image a line, as the challenge's entries have them; of several models, by the mean.

    Example: convsmith ilsvrc predict resnet50.safetensors imagenet/ -o entry.txt
    """
    from convsmith.cli.source import model_of
    from convsmith.ilsvrc.predict import write_guesses

    count = write_guesses([model_of(model) for model in models], data, out, kit=kit)
    typer.echo(f"{out}: five guesses for each of {count:,} images")


@app.command()
def score(
    entries: Annotated[list[Path], typer.Argument(help="Entries: text files of up to five ids a line.")],
    data: Annotated[Path, typer.Argument(help="Development kit, or the folder that it lies in.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score entries by the kit's ground truth: error with one to five guesses, by class, and of all entries together.

    Example: convsmith ilsvrc score entry.txt imagenet/
    """
    from convsmith.ilsvrc.score import score as measured

    say(measured(entries, data), as_json=as_json)
