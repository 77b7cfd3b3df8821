"""`convsmith gradients`: how gradients flow, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convsmith.cli.source import network_of
from convsmith.cli.verb import say


def gradients(
    networks: Annotated[
        list[str], typer.Argument(help="Names, model files, ONNX files, JSON, or module.py:make_model.")
    ],
    data: Annotated[str | None, typer.Option(help="Training images; random ones if there are none.")] = None,
    steps: Annotated[int, typer.Option(min=0, help="Updates by SGD after which to look again.")] = 10,
    batch_size: Annotated[int, typer.Option(min=2, help="Images in a batch.")] = 32,
    learning_rate: Annotated[
        float | None, typer.Option("--lr", help="Of the updates; 0.1 with batch norm, 0.01 without.")
    ] = None,
    input: Annotated[str | None, typer.Option(metavar="CxHxW", help="Input instead of each paper's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the weights and the images.")] = 0,
    plot: Annotated[Path | None, typer.Option(help="Draw the norms by layer: .svg, .png or .pdf.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Measure gradients and activations by layer, at initialisation and in the first steps: vanishing, exploding,
    healthy?

    The verdict's criterion is printed. Of residual networks it is shown how near their blocks are to the identity.

    Example: convsmith gradients plain56 resnet56 --data fashion-mini --plot gradients.svg
    """
    from convsmith.explain.gradients import gradients as measure
    from convsmith.explain.plot import check_plot, draw
    from convsmith.explain.table import verdicts

    if plot is not None:
        check_plot(plot, len(networks))
    flows = [
        measure(
            network_of(name, input=input),
            data,
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
        )
        for name in networks
    ]
    if plot is not None:
        draw(flows, plot)
        typer.echo(f"plot: {plot}", err=True)
    if as_json:
        say([flow.to_json() for flow in flows], as_json=True)
        return
    say("\n\n".join([*map(str, flows), verdicts(flows)]), as_json=False)
