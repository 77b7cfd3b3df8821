"""`convsmith show`: a network's layers, costs and picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from convsmith.cli.source import network_of
from convsmith.errors import UsageError


def show(
    network: Annotated[str, typer.Argument(help="A name (see `convsmith models`), a model file, or network JSON.")],
    classes: Annotated[int | None, typer.Option(help="Classes instead of the paper's.")] = None,
    input: Annotated[str | None, typer.Option(metavar="CxHxW", help="Input instead of the paper's.")] = None,
    width: Annotated[float | None, typer.Option(help="Width multiplier, for families that have one.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Write a picture of the architecture to this file.")] = None,
    paper: Annotated[bool, typer.Option("--paper", help="The paper's card instead: its figures beside ours.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The figures and the network as JSON.")] = False,
) -> None:
    """Show a network: its layers with parameters, multiply-adds and receptive field, the totals, what they mean.

    Example: convsmith show resnet50 --classes 10 --input 1x96x96 --svg resnet50.svg
    """
    from convsmith.cost import cost_of

    if paper:
        _show_card(network, as_json)
        return
    net = network_of(network, classes, input, width)
    cost = cost_of(net)
    if svg is not None:
        from convsmith.files import write_bytes
        from convsmith.picture.svg import svg as draw

        write_bytes(svg, draw(net).encode())
        typer.echo(f"picture: {svg}", err=True)
    if as_json:
        typer.echo(json.dumps({**cost.to_json(), "architecture": net.to_json()}))
    else:
        from convsmith.cost.table import table

        typer.echo(table(cost))


def _show_card(name: str, as_json: bool) -> None:
    from convsmith.zoo import card

    if Path(name).is_file():
        raise UsageError(f"--paper is for a network by name; {name} is a file")
    typer.echo(json.dumps(card.card_json(name)) if as_json else card.card(name))
