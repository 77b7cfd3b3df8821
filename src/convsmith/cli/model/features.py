"""`convsmith features`: the output of a model's layer for images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convsmith.cli.source import model_of
from convsmith.cli.verb import exit_for_unreadable, say


def features(
    model: Annotated[str, typer.Argument(help="Model file, run folder, or published weights by name.")],
    data: Annotated[str, typer.Argument(help="Data set: a path or a name.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write: .npz or .parquet.")],
    layer: Annotated[str | None, typer.Option(help="Layer by name. Default: the classifier's input.")] = None,
    pool: Annotated[bool, typer.Option(help="Write the mean of each map, not the map.")] = True,
    splits: Annotated[list[str] | None, typer.Option("--split", help="Only this split; may be repeated.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Split data that have no splits of their own by it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write the output of a layer for every image, with labels, splits and names.

    An npz file has the arrays `features` (N, F; or N, C, H, W with --no-pool), `labels`, `classes`, `split`, `name`;
    a Parquet file a row for each image. If files cannot be read, they are named, and the exit code is 1.

    Example: convsmith features runs/photos/model.safetensors photos/ --layer relu2 -o features.npz
    """
    from convsmith.evaluation.features import check_feature_file, features as compute, write_features

    check_feature_file(out)
    found = compute(model_of(model), data, layer=layer, pool=pool, splits=splits, seed=seed)
    write_features(found, out)
    if as_json:
        unreadable = [str(finding) for finding in found.unreadable]
        say({"file": out, "images": len(found), "shape": found.shape, "unreadable": unreadable}, as_json=True)
    else:
        say(f"{out}: {found}", as_json=False)
    exit_for_unreadable(found.unreadable)
