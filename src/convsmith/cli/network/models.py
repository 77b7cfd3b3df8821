"""`convsmith models`: every network by name."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from typing import Annotated, Any

import typer

from convsmith.cli.source import published
from convsmith.cli.verb import say
from convsmith.errors import UsageError


def models(
    pattern: Annotated[str, typer.Argument(help="Which names: 'resnet*', 'keras/*'.")] = "*",
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """List the networks by family: parameters, multiply-adds, published accuracy, paper.

    Example: convsmith models 'resnet*'
    """
    import convsmith

    names = convsmith.models(pattern)
    if not names:
        raise UsageError(f"no network matches {pattern!r}; `convsmith models` lists all")
    rows = [_row(name) for name in names]
    say(rows if as_json else "\n\n".join(_sections(rows)), as_json=as_json)


def _row(name: str) -> dict[str, Any]:
    from convsmith import cost_of, create
    from convsmith.zoo import find

    variant, _ = find(name)
    card = published(name)
    net = create(name)
    cost = cost_of(net)
    return {
        "name": name,
        "family": (net.origin and net.origin.library) or variant.family_name,
        "input": list(net.input),
        "classes": net.classes,
        "params": cost.params,
        "macs": cost.macs,
        "published": asdict(card) if card else None,
        "paper": asdict(variant.paper),
    }


def _sections(rows: list[dict[str, Any]]) -> list[str]:
    """A title and a table for each family; a library's names are a family of their own."""
    from convsmith.cost.table import aligned
    from convsmith.network.describe import short
    from convsmith.network.dims import text

    header = ("model", "input", "classes", "parameters", "MACs", "paper's top-1")
    sections = []
    for family, group in groupby(rows, key=lambda row: row["family"]):
        members = list(group)
        paper = members[0]["paper"]
        title = f"{family}: {paper['title']} ({paper['authors']} {paper['year']}; {paper['source']})"
        if "/" in members[0]["name"]:
            title = f"{family}: what {family} means by these names"
        cells = [
            (
                row["name"],
                text(row["input"]),
                str(row["classes"]),
                short(row["params"]),
                short(row["macs"]),
                f"{row['published']['top1']}%" if row["published"] and row["published"]["top1"] else "",
            )
            for row in members
        ]
        sections.append(f"{title}\n{aligned(header, cells, 'llrrrr')}")
    return sections
