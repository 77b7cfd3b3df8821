"""`convsmith hierarchy`: a model's mistakes by WordNet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convsmith.cli.source import model_of
from convsmith.cli.verb import exit_for_unreadable, say


def hierarchy(
    model: Annotated[str, typer.Argument(help="Model file, run folder, or published weights by name.")],
    data: Annotated[str, typer.Argument(help="Data set: a path or a name.")],
    at: Annotated[
        list[str] | None, typer.Option(help="Only the accuracy at this kind, such as animal; may be repeated.")
    ] = None,
    accuracy: Annotated[
        float | None, typer.Option(help="Also answer less precisely, to be right so often, such as 0.9.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also write the whole tree as a page.")] = None,
    split: Annotated[str | None, typer.Option(help="Which split to measure on. Default: test, or else val.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Split data that have no splits of their own by it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show by WordNet how grave a model's mistakes are, and its accuracy at any level, such as animal or dog.

    The classes must be nouns: WordNet ids, ImageNet's labels, or words. The severity of a mistake is the height of the
    lowest kind that the image and its answer share, as in ILSVRC 2010.

    Example: convsmith hierarchy efficientnet_pytorch/efficientnet_lite0 photos/ --at dog --html tree.html
    """
    from convsmith.evaluation.nouns.hierarchical import evaluate_by_wordnet
    from convsmith.report.hierarchy import levels_of, text_of, write_tree

    found = evaluate_by_wordnet(model_of(model), data, split=split, seed=seed, accuracy=accuracy)
    asked = [found.level(word) for word in at or ()]
    if html is not None:
        write_tree(found, html)
    if as_json:
        say({level.name: level.to_json() for level in asked} if asked else found, as_json=True)
    else:
        say(levels_of(found, asked) if asked else text_of(found), as_json=False)
    exit_for_unreadable(found.unreadable)
