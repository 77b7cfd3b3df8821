"""`convsmith certify`: every published figure, recomputed."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from convsmith.cli.verb import say
from convsmith.errors import ConvsmithError, UsageError


def certify(
    pattern: Annotated[str, typer.Argument(metavar="[NAME]", help="A name, or a pattern of names: 'resnet*'.")] = "*",
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Recompute every published figure of the networks: paper, peers (torchvision, timm, Keras), ours, verdict.

    Verdicts: equal (to the digits printed), explained (the paper differs from its own layers, and why), differs (then
    the exit code is 1), no figure, not measured (accuracies, which need ImageNet).

    Example: convsmith certify 'mobilenet*'
    """
    from convsmith.cost.table import aligned
    from convsmith.zoo import certify as zoo

    rows = list(zoo.certify(pattern))
    if not rows:
        raise UsageError(f"no network matches {pattern!r}; `convsmith models` lists all")
    counts = Counter(row.verdict for row in rows)
    if as_json:
        say(rows, as_json=True)
    else:
        typer.echo(aligned(zoo.COLUMNS, map(zoo.cells, rows), "lllrrll"))
        total = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        typer.echo(f"\nnetworks: {len({row.network for row in rows})}; rows: {len(rows)}: {total}")
    if counts["differs"]:
        raise ConvsmithError(f"{counts['differs']} figures differ")
