"""`convsmith verify`: an exported file in every engine that is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convsmith.cli.model.export import engines_of
from convsmith.cli.source import model_of
from convsmith.cli.verb import exit_for_unreadable, say


def verify(
    onnx: Annotated[Path, typer.Argument(help="ONNX file that convsmith exported.")],
    data: Annotated[str, typer.Argument(help="Images: a data set by path or name, or an image file.")],
    model: Annotated[str | None, typer.Option(help="Model to compare with. Default: ONNX Runtime's answers.")] = None,
    engines: Annotated[
        str | None,
        typer.Option("--with", help="Engines: onnxruntime,openvino,opencv. Default: all that are installed."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Split of the data. Default: test, or else val.")] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(min=0, help="Largest accepted difference in probability [0.001; 0.1 if quantized]."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Images of the data to use. Default: all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run an exported model in every engine that is installed, and compare the probabilities.

    Each engine gets the images as they were decoded, and some in odd sizes, from 1x1 pixel on. OpenVINO is told to
    compute in float32; what it does by default is shown beside that. Exits with 1 where an engine differs.

    Example: convsmith verify runs/demo/model.onnx fashion-mini --model runs/demo/model.safetensors
    """
    from convsmith.cli.progress import image_progress
    from convsmith.deploy.agreement import verify as compare

    known = None if model is None else model_of(model)
    with image_progress("verifying") as advance:
        found = compare(
            onnx,
            data,
            model=known,
            engines=engines_of(engines),
            split=split,
            tolerance=tolerance,
            limit=limit,
            on_progress=advance,
        )
    say(found, as_json=as_json)
    exit_for_unreadable(found.unreadable)
    if not found.passed:
        raise typer.Exit(1)
