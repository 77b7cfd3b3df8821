"""`convsmith size`: every byte of a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convsmith.cli.verb import say
from convsmith.errors import UsageError


def size(
    model: Annotated[str, typer.Argument(help="Model file, or run folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Account for every byte of a model file: by parameter, with the entropy beside it, and by kind.

    The counts sum to the size of the file. Bits for each weight include scales and codebooks.

    Example: convsmith size runs/demo/model.safetensors
    """
    from convsmith.model.size_book import size_of
    from convsmith.resolve import file_of

    path = file_of(model)
    if path is None or not Path(path).is_file():
        raise UsageError(f"only a model file has a size; there is no file {model}", settings="model")
    say(size_of(path), as_json=as_json)
