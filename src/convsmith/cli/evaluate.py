"""`convsmith evaluate`: measure a model file on a data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[Path, typer.Argument(help="Model file (.safetensors).")],
    data: Annotated[str, typer.Argument(help="Data set: a path or a name.")],
    split: Annotated[str, typer.Option(help="Which split to measure on.")] = "test",
    top: Annotated[int, typer.Option(min=1, help="k of the top-k accuracy.")] = 5,
    side: Annotated[
        list[int] | None,
        typer.Option(
            min=8, max=1024, help="Side of the images in pixels, instead of the model's own; may be repeated."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the split, where the data has none of its own.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure accuracy, precision and recall by class, and calibration, each with a 95% interval. With --side, at
    other sizes of image.

    Example: convsmith evaluate runs/demo/model.safetensors fashion-mini
    """
    from convsmith.evaluation.evaluate import evaluate as measured
    from convsmith.evaluation.evaluate import evaluate_at, side_by_side

    if side:
        found = evaluate_at(model, data, side, split=split, k=top, seed=seed)
        typer.echo(json.dumps([one.to_json() for one in found]) if as_json else side_by_side(found))
        return
    metrics = measured(model, data, split=split, k=top, seed=seed)
    typer.echo(json.dumps(metrics.to_json()) if as_json else str(metrics))
