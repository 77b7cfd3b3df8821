"""`convsmith design`: a network for your images, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from convsmith.cli.amounts import MaxLatency, MaxMacs, MaxParams, MaxSize, seconds_of
from convsmith.cli.verb import say
from convsmith.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from convsmith.network import Network


def design(
    data: Annotated[str, typer.Argument(help="Folder of images, manifest, archive, array file, or a data set's name.")],
    max_params: MaxParams = None,
    max_macs: MaxMacs = None,
    max_size: MaxSize = None,
    max_latency: MaxLatency = None,
    device: Annotated[
        str | None, typer.Option(help="Limit the latency that is predicted there: see `convsmith profile`.")
    ] = None,
    side: Annotated[int | None, typer.Option(min=8, max=1024, help="Side of the input in pixels.")] = None,
    seconds: Annotated[
        str | None, typer.Option("--time", metavar="90s|10m|2h", help="What training the strongest may take.")
    ] = None,
    candidate: Annotated[
        Literal["smallest", "balanced", "strongest"] | None,
        typer.Option(help="Which one to write; by default the one marked *."),
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write the network to this JSON file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print candidates, choices and evidence as JSON.")] = False,
) -> None:
    """Look at your images and design a network for them, each choice with its rule, evidence and source.

    Example: convsmith design photos/ --max-params 100k -o network.json && convsmith fit photos/ --model network.json
    """
    from functools import partial

    from convsmith.deploy.latency import latency_ms
    from convsmith.design.limits import Limits
    from convsmith.files import write_bytes
    from convsmith.fitting.designing import design_for
    from convsmith.records import json_text

    if device is not None and max_latency is None:
        raise UsageError("only a limit of latency is about a device: give one", settings=("device", "max_latency"))
    latency_of: Callable[[Network], float] = latency_ms
    if device is not None:
        from convsmith.devices import load_table, mismatch, predicted_ms

        table = load_table(device)
        latency_of = partial(predicted_ms, table=table)
        for note in mismatch(table):
            typer.echo(f"{table.name}: {note}", err=True)
    made = design_for(
        data,
        Limits(max_params, max_macs, max_size, max_latency),
        side=side,
        seconds=None if seconds is None else seconds_of(seconds),
        told=lambda line: typer.echo(line, err=True),
        latency_of=latency_of,
    )
    if out is not None:
        network = made.network if candidate is None else made.candidate(candidate).network
        write_bytes(out, json_text(network.to_json()).encode())
        typer.echo(f"network: {out}", err=True)
    say(made, as_json=as_json)
