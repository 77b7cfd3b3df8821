"""`convsmith weights`: published weights and other libraries' checkpoints, in and out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from convsmith.cli.progress import download_progress
from convsmith.cli.source import checkpoint_of, class_names_of, model_of, preprocess_of
from convsmith.cli.verb import SHOWN, say
from convsmith.errors import UsageError

if TYPE_CHECKING:
    from convsmith.weights.identification import Identified
    from convsmith.weights.published_weights import PublishedWeights

app = typer.Typer(
    no_args_is_help=True,
    help="List and fetch published weights; identify, import and export other libraries' checkpoints.",
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(name="list")
def list_published(
    pattern: Annotated[str, typer.Argument(help="Which names: '*resnet*'.")] = "*",
    as_json: Json = False,
) -> None:
    """List the published weights of ImageNet classifiers: cost, accuracy, size, and whether they are here.

    Accuracies are the publisher's, in percent, on the 50,000 validation images of ILSVRC 2012.

    Example: convsmith weights list '*resnet*'
    """
    from convsmith.weights.published_weights import cached, published

    rows = published(pattern)
    if not rows:
        raise UsageError(f"no weights match {pattern!r}; `convsmith weights list` lists all")
    if as_json:
        say([{**row.to_json(), "path": _path_if_here(cached(row))} for row in rows], as_json=True)
        return
    from convsmith.cost.table import aligned

    header = ("weights", "input", "parameters", "MACs", "top-1", "top-5", "size", "here")
    typer.echo(aligned(header, [(*_cells(row), "yes" if cached(row).exists() else "") for row in rows], "lrrrrrrl"))


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A name from `convsmith weights list`, or the part before its dot.")],
    as_json: Json = False,
) -> None:
    """Fetch published weights into the user's cache, verified by SHA-256, and print the path.

    A download that was cut off is continued. With CONVSMITH_OFFLINE=1 nothing is fetched.

    Example: convsmith weights fetch torchvision/resnet18
    """
    from convsmith.weights.published_weights import fetch_weights

    with download_progress() as tell:
        path = fetch_weights(name, on_progress=tell)
    say({"name": name, "path": path, "bytes": path.stat().st_size} if as_json else path, as_json=as_json)


@app.command(name="import")
def import_file(
    source: Annotated[str, typer.Argument(help="A checkpoint, or published weights by name, which are fetched.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file (.safetensors) to write.")],
    model: Annotated[
        str | None, typer.Option(help="Its network, such as torchvision/resnet50. Default: as published.")
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="Text file of class names, one on each line. Default: ImageNet's.")
    ] = None,
    preprocess: Annotated[
        Path | None, typer.Option(help="JSON file with preprocessing, as `weights list --json` prints it.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Leave what does not fit random, if it is the smaller part.")
    ] = False,
    weights: Annotated[
        Literal["raw", "ema"] | None,
        typer.Option(help="Of raw weights and their moving average, which. Default: ema."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a model file from a checkpoint of torchvision, timm or Keras (.pth, .safetensors, .h5, .keras, ...).

    A published file brings its network, class names and preprocessing. Weights are found inside training checkpoints,
    and no code in them is run. If keys are missing, left over or of the wrong shape, nothing is written; with
    --partial it is, if most of the network is covered.

    Example: convsmith weights import resnet50.pth --model torchvision/resnet50 -o resnet50.safetensors
    """
    from convsmith.model.file import save_model
    from convsmith.weights.importing import import_weights

    imported = import_weights(
        checkpoint_of(source),
        model,
        classes=class_names_of(classes) if classes else None,
        preprocess=preprocess_of(preprocess) if preprocess else None,
        partial=partial,
        weights=weights,
    )
    save_model(imported.model, output)
    network, size = imported.model.network, output.stat().st_size
    if as_json:
        say({"path": output, "bytes": size, **imported.to_json()}, as_json=True)
        return
    for note in imported.notes:
        typer.echo(note, err=True)
    _tell_some("not imported", imported.problems)
    _tell_some("stays random", imported.random)
    if imported.assumed:
        typer.echo(
            f"preprocessing assumed, because the file does not specify it: {imported.model.preprocess}", err=True
        )
    typer.echo(f"{output} ({size:,} bytes): {network.name}, {network.classes} classes")


@app.command()
def identify(
    source: Annotated[str, typer.Argument(help="A checkpoint of any library.")],
    weights: Annotated[
        Literal["raw", "ema"] | None, typer.Option(help="Which to look at of a file with both. Default: ema.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which network of the zoo a checkpoint is of, by the names and shapes of its tensors.

    An exact match is printed alone; else the three nearest, with what differs. Exits with 1 if no network is exactly
    that of the file.

    Example: convsmith weights identify resnet50.pth
    """
    from convsmith.weights.identification import identify

    found = identify(checkpoint_of(source), weights)
    if as_json:
        say(found, as_json=True)
    else:
        _print_identified(found)
    if found.exact is None:
        raise typer.Exit(1)


def _print_identified(found: Identified) -> None:
    for note in found.notes:
        typer.echo(note, err=True)
    if found.published:
        typer.echo(f"published weights: {found.published}")
    if not found.matches:
        typer.echo(f"no network here has keys like those of its {found.tensors} tensors")
    for identity in found.matches:
        typer.echo(identity if identity.exact else f"not exactly {identity}")
        if identity.also:
            typer.echo(f"the same by keys and shapes: {', '.join(identity.also)}")
        _tell_some("  differs", identity.differences)


def _tell_some(what: str, lines: Sequence[str]) -> None:
    for line in lines[:SHOWN]:
        typer.echo(f"{what}: {line}", err=True)
    if len(lines) > SHOWN:
        typer.echo(f"{what}: {len(lines) - SHOWN:,} more", err=True)


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="Model file or run folder.")],
    to: Annotated[str, typer.Option(help="torchvision, timm or keras.")],
    output: Annotated[Path, typer.Option("--output", "-o", help=".pth or .safetensors; for Keras .weights.h5 or .h5.")],
    as_json: Json = False,
) -> None:
    """Write a model's weights as a checkpoint of another library, which must have the same network.

    Class names and preprocessing are not written: no library's checkpoint has room for them.

    Example: convsmith weights export resnet50.safetensors --to torchvision -o resnet50.pth
    """
    from convsmith.weights.exporting import export_weights

    written = export_weights(model_of(model), to, output)
    if as_json:
        say(asdict(written), as_json=True)
        return
    typer.echo(f"{output} ({written.bytes:,} bytes): {written.tensors} tensors of {written.network}")


def _cells(row: PublishedWeights) -> tuple[str, ...]:
    from convsmith.network.describe import short
    from convsmith.network.dims import text

    side = (row.preprocess.channels, *row.preprocess.crop)
    accuracy = (f"{row.top1:.1f}%", f"{row.top5:.1f}%" if row.top5 else "")
    return (row.name, text(side), short(row.params), short(round(row.gmacs * 1e9)), *accuracy, f"{row.mib:.1f} MiB")


def _path_if_here(path: Path) -> str | None:
    return str(path) if path.exists() else None
