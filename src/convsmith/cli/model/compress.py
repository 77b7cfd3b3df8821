"""`convsmith compress`: a smaller or faster model, and what each step bought."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convsmith.cli.verb import say
from convsmith.errors import UsageError

if TYPE_CHECKING:
    from convsmith.compression import Sensitivity
    from convsmith.model import Model
    from convsmith.shrinking.outcome import Compressed
    from convsmith.shrinking.table import Comparison

METHODS = "best, svd, prune, slim, share, deep or int8"
OUT = Path("compressed.safetensors")
SCAN_IMAGES = 1024


def compress(
    model: Annotated[str, typer.Argument(help="Model file, or run folder.")],
    data: Annotated[str, typer.Argument(help="The data it is for: a path or a name.")],
    to: Annotated[
        str | None,
        typer.Option(
            metavar="100kB|10x|2ms|50%-macs", help="Target: file size, ratio to the float32 file, latency, MACs."
        ),
    ] = None,
    method: Annotated[str, typer.Option(help=f"How: {METHODS}.")] = "best",
    max_drop: Annotated[float, typer.Option(help="Points of val accuracy that may be lost.")] = 0.5,
    table: Annotated[
        bool, typer.Option("--table", help="No target: take each method as far as the drop allows, and compare.")
    ] = False,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the training images that each way may take.")
    ] = None,
    recipe: Annotated[str, typer.Option(help="How to train: see `convsmith recipes`.")] = "default",
    seed: Annotated[
        int | None, typer.Option(min=0, help="For training, and for splits of data that have none.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help=f"The smaller model. Default: {OUT}, or in the folder.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Keep each finished step here; the same command resumes.")] = None,
    best_effort: Annotated[
        bool, typer.Option("--best-effort", help="Write the nearest model even if it misses the target.")
    ] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw accuracy against size: .svg, .png or .pdf.")] = None,
    scan: Annotated[
        Path | None, typer.Option(help="Prune each layer alone, and draw the accuracy: .svg, .png or .pdf.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a model smaller or faster within the accuracy that may be lost, and say what each step bought.

    Decisions are made on the val split; the test split is only reported. If the target cannot be met, no model is
    written and the exit code is 1. Without --to, use --table to compare the methods, or --scan to look at layers.

    Example: convsmith compress runs/demo fashion-mini --to 10x --out small.safetensors
    """
    from convsmith.cli.progress import teller
    from convsmith.cli.source import model_of
    from convsmith.explain.plot import FORMATS
    from convsmith.train.run.progress import LiveBar

    if (to and table) or not (to or table or scan):
        raise UsageError("give a target or ask for the table", settings=("to", "table"))
    if table and (out is not None or method != "best"):
        raise UsageError("the table makes no model, and is of all methods", settings=("table", "out", "method"))
    for name, path in (("plot", plot), ("scan", scan)):
        if path is not None and path.suffix.lower() not in FORMATS:
            raise UsageError(f"must end in {', '.join(FORMATS)}, not {path.name!r}", settings=name)
    given = model_of(model)
    if scan is not None:
        found = _scan(given, data, seed, scan)
        if not (to or table):
            say(found, as_json=as_json)
            return
    asked: Any = {"max_drop": max_drop, "epochs": epochs, "recipe": recipe, "folder": folder, "seed": seed}
    with LiveBar() as bar:
        asked["observers"] = (bar, teller())
        if to is None:
            compared = _table(given, data, asked)
            _draw(compared, plot)
            say(compared, as_json=as_json)
            return
        made = _compressed(given, data, to, method, asked, best_effort)
    _draw(made, plot)
    if out is not None or folder is None:
        from convsmith.model import save_model

        save_model(made.model, out or OUT)
        typer.echo(f"model: {out or OUT}", err=True)
    say(made, as_json=as_json)
    if not made.met:
        raise typer.Exit(1)


def _draw(made: Compressed | Comparison, plot: Path | None) -> None:
    from convsmith.shrinking.plot import draw

    if plot is not None:
        draw(made, plot)
        typer.echo(f"plot: {plot}", err=True)


def _compressed(model: Model, data: str, to: str, method: str, asked: Any, best_effort: bool) -> Compressed:
    from convsmith.shrinking.compress import TargetMissedError, compress

    try:
        return compress(model, data, to, method=method, **asked)
    except TargetMissedError as error:
        if not best_effort or error.reached is None:
            raise
        return error.reached


def _table(model: Model, data: str, asked: Any) -> Comparison:
    from convsmith.shrinking.table import compare_methods

    return compare_methods(model, data, **asked)


def _scan(model: Model, data: str, seed: int | None, path: Path) -> Sensitivity:
    """The sensitivity of each layer, measured on the val split and drawn."""
    from convsmith.compression import sample_of, sensitivity
    from convsmith.shrinking.compress import opened

    found = sensitivity(model, sample_of(model, opened(model, data, seed), SCAN_IMAGES, split="val"))
    found.plot(path)
    typer.echo(f"scan: {path}", err=True)
    return found
