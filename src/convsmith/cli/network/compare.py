"""`convsmith compare`: networks side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convsmith.cli.source import network_of, published
from convsmith.cli.verb import say
from convsmith.errors import UsageError

if TYPE_CHECKING:
    from convsmith.report.compared import ComparedNetwork

MOST_COLUMNS = 5
"""More networks than these are listed one below another."""

IN_LIST = ("input", "parameters", "MACs", "memory, inference", "top-1", "measured with")
"""The figures that fit into such a list."""


def compare(
    networks: Annotated[
        list[str],
        typer.Argument(help="Names, 'resnet*', runs, model files, ONNX, JSON, module.py:make_model."),
    ],
    classes: Annotated[int | None, typer.Option(help="Classes instead of each paper's.")] = None,
    input: Annotated[str | None, typer.Option(metavar="CxHxW", help="Input instead of each paper's.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw accuracy against cost: .svg, .png or .pdf.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Compare networks: input, parameters, multiply-adds, FLOPs, activations, memory, receptive field, accuracy.

    A name's accuracy is its paper's; a run's or model file's was measured when it was trained. The plot shows both.

    Examples: convsmith compare vgg16 resnet50; convsmith compare 'resnet*' runs/mine --plot accuracy.svg
    """
    from convsmith.cost.table import aligned, conventions

    if plot is not None:
        from convsmith.report.charts.canvas import check_chart

        check_chart(plot)
    compared = [_compared(name, classes, input) for name in _named(networks, drawn=plot is not None)]
    if plot is not None:
        _draw(compared, plot)
    if as_json:
        say([one.to_json() for one in compared], as_json=True)
        return
    shown = [_printed(one) for one in compared]
    names = [one.name.rstrip("/") for one in compared]
    if len(compared) > MOST_COLUMNS:
        rows = [(name, *(figures[row] for row in IN_LIST)) for name, figures in zip(names, shown, strict=True)]
        say(aligned(("", *IN_LIST), rows, "lrrrrrl"), as_json=False)
    else:
        rows = [(row, *(figures[row] for figures in shown)) for row in shown[0]]
        say(aligned(("", *names), rows, "l" + "r" * len(compared)), as_json=False)
    say("\n" + conventions(), as_json=False)


def _named(words: list[str], *, drawn: bool) -> list[str]:
    """The words, patterns replaced by the names that match; for a drawing those of them that have an accuracy."""
    from convsmith.zoo.certify import certified_names

    names: list[str] = []
    for word in words:
        if not any(mark in word for mark in "*?[") or Path(word).exists():
            names.append(word)
            continue
        found = [name for name in certified_names(word) if "/" not in name or "/" in word]
        if not found:
            raise UsageError(f"no network matches {word!r}; `convsmith models` lists all")
        names += [name for name in found if not drawn or _has_accuracy(name)]
    return list(dict.fromkeys(names))


def _has_accuracy(name: str) -> bool:
    figures = published(name)
    return figures is not None and figures.top1 is not None


def _compared(name: str, classes: int | None, input: str | None) -> ComparedNetwork:
    from convsmith.report.compared import ComparedNetwork, measured_accuracy, published_accuracy

    if Path(name).is_dir():
        from convsmith.report.record import require_model

        require_model(Path(name))
    network = network_of(name, classes, input)
    own = classes is None and input is None
    return ComparedNetwork(
        name, network, measured_accuracy(name) or published_accuracy(published(name) if own else None)
    )


def _draw(compared: list[ComparedNetwork], plot: Path) -> None:
    from convsmith.report.charts.accuracy import draw_accuracies
    from convsmith.report.compared import require_accuracy

    for one in compared:
        require_accuracy(one.name, one.accuracy)
    if not compared:
        raise UsageError("none of these networks has an accuracy", settings="plot")
    unlabelled = draw_accuracies(compared, plot)
    typer.echo(f"plot: {plot}" + (f" ({unlabelled} labels found no place)" if unlabelled else ""), err=True)


def _printed(one: ComparedNetwork) -> dict[str, str]:
    """Row title -> cell."""
    from convsmith.cost.table import size
    from convsmith.network.describe import short
    from convsmith.network.dims import text

    figures = one.to_json()
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
        "top-1": str(one.accuracy or ""),
        "measured with": one.accuracy.protocol if one.accuracy else "",
    }
