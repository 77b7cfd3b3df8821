"""`convsmith compare`: networks side by side."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from convsmith.cli.source import network_of, published
from convsmith.cli.verb import say


def compare(
    networks: Annotated[
        list[str], typer.Argument(help="Names, model files, ONNX files, JSON, or module.py:make_model.")
    ],
    classes: Annotated[int | None, typer.Option(help="Classes instead of each paper's.")] = None,
    input: Annotated[str | None, typer.Option(metavar="CxHxW", help="Input instead of each paper's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Compare networks: input, parameters, multiply-adds, FLOPs, activations, memory, receptive field, accuracy.

    Example: convsmith compare vgg16 resnet50 mobilenet_v2 --input 3x160x160
    """
    from convsmith.cost.table import aligned, conventions

    columns = [_figures(name, classes, input) for name in networks]
    if as_json:
        say(columns, as_json=True)
        return
    shown = [_printed(column) for column in columns]
    rows = [(row, *(column[row] for column in shown)) for row in shown[0]]
    say(aligned(("", *(column["network"] for column in columns)), rows, "l" + "r" * len(columns)), as_json=False)
    say("\n" + conventions(), as_json=False)


def _figures(name: str, classes: int | None, input: str | None) -> dict[str, Any]:
    from convsmith import cost_of

    figures = cost_of(network_of(name, classes, input)).to_json()
    layers = figures.pop("layers")
    card = published(name) if classes is None and input is None else None
    top1, protocol = (card.top1, card.protocol) if card else (None, "")
    return {**figures, "layers": len(layers), "published_top1": top1, "protocol": protocol}


def _printed(figures: dict[str, Any]) -> dict[str, str]:
    """Row title -> cell."""
    from convsmith.cost.table import size
    from convsmith.network.describe import short
    from convsmith.network.dims import text

    top1 = figures["published_top1"]
    return {
        "input": text(figures["input"]),
        "layers": str(figures["layers"]),
        "parameters": short(figures["params"]),
        "MACs": short(figures["macs"]),
        "FLOPs": short(figures["flops"]),
        "activations": short(figures["activations"]),
        "memory, inference": size(figures["inference_bytes"]),
        "memory, training": size(figures["training_bytes"]),
        "receptive field": text(figures["receptive_field"]),
        "paper's top-1": f"{top1}%" if top1 else "",
        "  measured with": figures["protocol"],
    }
