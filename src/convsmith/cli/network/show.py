"""`convsmith show`: a network's layers, costs and picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convsmith.cli.source import network_of
from convsmith.cli.verb import say
from convsmith.errors import UsageError
from convsmith.network import Network


def show(
    network: Annotated[
        str, typer.Argument(help="A name, model file, ONNX file, network JSON, or module.py:make_model.")
    ],
    classes: Annotated[int | None, typer.Option(help="Classes instead of the paper's.")] = None,
    input: Annotated[str | None, typer.Option(metavar="CxHxW", help="Input instead of the paper's.")] = None,
    width: Annotated[float | None, typer.Option(help="Width multiplier, for families that have one.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Write a picture of the architecture to this file.")] = None,
    paper: Annotated[bool, typer.Option("--paper", help="Show the paper's figures beside ours instead.")] = False,
    device: Annotated[
        str | None, typer.Option(help="Predict the latency on a device that `convsmith profile` measured.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check a model file against its seal.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures and the network as JSON.")] = False,
) -> None:
    """Show a network: layers with parameters, multiply-adds and receptive field; the totals; how they are counted.

    Example: convsmith show resnet50 --classes 10 --input 1x96x96 --svg resnet50.svg
    """
    from convsmith.cost import cost_of

    if device is not None and (paper or verify):
        raise UsageError("is about latency, which these do not show", settings=("device", "paper", "verify"))
    if paper:
        _show_card(network, as_json)
        return
    if verify:
        _verify(network)
        return
    net = network_of(network, classes, input, width)
    cost = cost_of(net)
    latency = None if device is None else LatencyShown(net, device)
    if svg is not None:
        from convsmith.files import write_bytes
        from convsmith.picture.drawing import svg as draw

        write_bytes(svg, draw(net).encode())
        typer.echo(f"picture: {svg}", err=True)
    if as_json:
        data = {**cost.to_json(), "architecture": net.to_json()}
        say(data if latency is None else {**data, "latency": latency.json}, as_json=True)
    else:
        from convsmith.cost.table import table

        say(table(cost, None if latency is None else latency.by_layer), as_json=False)
        if latency is not None:
            say(f"\n{latency.text}", as_json=False)


class LatencyShown:
    """The predicted latency of a network, as `show` prints it."""

    def __init__(self, net: Network, device: str) -> None:
        from convsmith.devices import load_table, predict
        from convsmith.devices.text import latency_json, latency_text

        device_table = load_table(device)
        prediction = predict(net, device_table)
        self.by_layer = prediction.by_layer()
        self.json = latency_json(prediction, device_table)
        self.text = latency_text(prediction, device_table)


def _verify(name: str) -> None:
    from convsmith.model import verify

    if not Path(name).is_file():
        raise UsageError(f"only a model file can be verified; there is no file {name}", settings="verify")
    say(f"{name}: {verify(Path(name))}", as_json=False)


def _show_card(name: str, as_json: bool) -> None:
    from convsmith.zoo import card

    if Path(name).is_file():
        raise UsageError(f"only a network by name has a paper, and {name} is a file", settings="paper")
    say(card.card_json(name) if as_json else card.card(name), as_json=as_json)
