"""`convsmith predict`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def predict(
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    model: Annotated[Path, typer.Option(help="Model file (.safetensors) or exported file (.onnx).")],
    top: Annotated[int, typer.Option(min=1, help="Classes to give for each image.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the likeliest classes of images, with their probabilities.

    An image that cannot be read is reported, the others are predicted, and the exit code is 1.

    Example: convsmith predict photo.jpg scan.png --model runs/demo/model.safetensors
    """
    from convsmith.deploy.predict import predict as predict_images

    predictions = predict_images(model, images, top=top)
    if as_json:
        typer.echo(json.dumps([prediction.to_json() for prediction in predictions], ensure_ascii=False))
    for prediction in predictions:
        if prediction.error is not None:
            typer.echo(f"error: {prediction}", err=True)
        elif not as_json:
            typer.echo(prediction)
    if any(prediction.error is not None for prediction in predictions):
        raise typer.Exit(1)
