"""`convsmith features`: what a layer of a model makes of images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def features(
    model: Annotated[Path, typer.Argument(help="Model file (.safetensors).")],
    data: Annotated[str, typer.Argument(help="Data set: a path or a name.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write: .npz or .parquet.")],
    layer: Annotated[
        str | None, typer.Option(help="Layer by name (see `convsmith show`). Default: what the classifier sees.")
    ] = None,
    pool: Annotated[bool, typer.Option(help="The mean of each map, not the map.")] = True,
    split: Annotated[list[str] | None, typer.Option(help="Only this split; may be given again. Default: all.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the split, where the data has none of its own.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Say what was written as JSON.")] = False,
) -> None:
    """Write the output of a layer for every image, with labels, splits and names.

    An npz file has the arrays `features` (N, F; or N, C, H, W with --no-pool), `labels`, `classes`, `split`, `name`;
    a Parquet file a row for each image.

    Example: convsmith features runs/photos/model.safetensors photos/ --layer relu2 -o features.npz
    """
    from convsmith.evaluation.features import write_features

    written = write_features(model, data, out, layer=layer, pool=pool, splits=split, seed=seed)
    if as_json:
        typer.echo(json.dumps({"file": str(out), "images": written.images, "shape": list(written.shape)}))
    else:
        shape = " x ".join(map(str, written.shape))
        typer.echo(f"{out}: {shape} features of {written.layer} for each of {written.images:,} images")
