"""`convsmith export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[Path, typer.Argument(help="Model file (.safetensors).")],
    data: Annotated[str, typer.Option(help="Data set to verify on: a path or a name.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="ONNX file. Default: beside the model.")] = None,
    split: Annotated[str, typer.Option(help="Split to verify on.")] = "test",
    tolerance: Annotated[float, typer.Option(min=0, help="Largest difference in probability that is accepted.")] = 1e-3,
    limit: Annotated[int | None, typer.Option(min=1, help="Verify on this many images. Default: all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a model as ONNX, preprocessing included, and prove that it answers the same.

    The ONNX file takes a decoded image (uint8, height x width x 3, any size). It is run in ONNX Runtime against the
    PyTorch model on every image of the split, and is not written if a probability differs by more than the tolerance.

    Example: convsmith export runs/demo/model.safetensors --data fashion-mini
    """
    from rich.console import Console
    from rich.progress import Progress

    from convsmith.data import open_dataset
    from convsmith.deploy.export import export as export_model

    images = open_dataset(data).split(split).images
    target = output or model.with_suffix(".onnx")
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("verifying")
        result = export_model(
            model,
            target,
            images,
            tolerance=tolerance,
            limit=limit,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        typer.echo(json.dumps({"onnx": str(target), "bytes": target.stat().st_size} | result.to_json()))
        return
    typer.echo(f"{target} ({target.stat().st_size:,} bytes): {result}")
    for one in result.disagreements:
        typer.echo(f"  {one.image}: {one.torch} in PyTorch by {one.margin:.1e}, {one.onnx} in ONNX Runtime")
