"""`convsmith certify`: every published figure, computed again."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import Annotated

import typer

from convsmith.errors import ConvsmithError, UsageError


def certify(
    pattern: Annotated[
        str, typer.Argument(metavar="[NAME]", help="A name, or names as in file names: 'resnet*'.")
    ] = "*",
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects.")] = False,
) -> None:
    """Compute every published figure of the networks again: paper, peers (torchvision, timm, Keras), ours, verdict.

    Verdicts: equal (to the digits that are printed), explained (the paper differs from its own layers, and why),
    differs (then the exit code is 1), no figure, not measured (accuracies, which need ImageNet).

    Example: convsmith certify 'mobilenet*'
    """
    from convsmith.cost.table import aligned
    from convsmith.zoo import certify as zoo

    rows = list(zoo.certify(pattern))
    if not rows:
        raise UsageError(f"no model is named like {pattern!r}; `convsmith models` lists all")
    counts = Counter(row.verdict for row in rows)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows]))
    else:
        typer.echo(aligned(zoo.COLUMNS, map(zoo.cells, rows), "lllrrll"))
        total = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        typer.echo(f"\nnetworks: {len({row.network for row in rows})}; rows: {len(rows)}: {total}")
    if counts["differs"]:
        raise ConvsmithError(f"{counts['differs']} figures differ")
