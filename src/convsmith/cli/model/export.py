"""`convsmith export`: a model as a verified ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convsmith.cli.source import model_of
from convsmith.cli.verb import exit_for_unreadable, say


def export(
    model: Annotated[str, typer.Argument(help="Model file, run folder, or published weights by name.")],
    data: Annotated[str, typer.Option(help="Data set to verify on: a path or a name.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="ONNX file. Default: beside the model.")] = None,
    split: Annotated[str | None, typer.Option(help="Split to verify on. Default: test, or else val.")] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(min=0, help="Largest accepted difference in probability [0.001; 0.1 if quantized]."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Verify on this many images. Default: all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a model as ONNX, preprocessing included, and verify that its predictions are the same.

    The ONNX file takes a decoded image (uint8, height x width x 3, any size). It is run in ONNX Runtime against the
    PyTorch model on every image of the split, and is not written if a probability differs by more than the tolerance.

    Example: convsmith export runs/demo/model.safetensors --data fashion-mini
    """
    from convsmith.cli.progress import image_progress
    from convsmith.deploy.export import export as write
    from convsmith.resolve import file_of

    source = file_of(model)
    target = output or (Path(f"{model.rpartition('/')[2]}.onnx") if source is None else source.with_suffix(".onnx"))
    with image_progress("verifying") as advance:
        found = write(model_of(model), target, data, split=split, tolerance=tolerance, limit=limit, on_progress=advance)
    size = target.stat().st_size
    if as_json:
        say({"onnx": str(target), "bytes": size} | found.to_json(), as_json=True)
    else:
        say(f"{target} ({size:,} bytes): {found}", as_json=False)
        for one in found.disagreements:
            say(f"  {one.image}: {one.torch} in PyTorch by {one.margin:.1e}, {one.onnx} in ONNX Runtime", as_json=False)
    exit_for_unreadable(found.unreadable)
