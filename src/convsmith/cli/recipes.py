"""`convsmith recipes`: every training recipe by name."""

from __future__ import annotations

from typing import Annotated

import typer

from convsmith.cli.verb import say


def recipes(as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False) -> None:
    """List the training recipes for `fit --recipe`: what each does, its source, and for which networks.

    Example: convsmith recipes
    """
    from convsmith.train.recipes.named import RECIPES

    if as_json:
        fields = ("name", "summary", "source", "families")
        say([{field: getattr(recipe, field) for field in fields} for recipe in RECIPES.values()], as_json=True)
        return
    for recipe in RECIPES.values():
        typer.echo(f"{recipe.name}\n  {recipe.summary}\n  source: {recipe.source}")
        if recipe.families:
            typer.echo(f"  `--recipe paper` for: {', '.join(recipe.families)}")
        typer.echo("")
