"""`convsmith scale`: a network at another size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from convsmith.cli.verb import say
from convsmith.errors import UsageError

if TYPE_CHECKING:
    from convsmith.network import Network
    from convsmith.scaling.scaled import Scaled
    from convsmith.transform.compound import Constants


def scale(
    network: Annotated[
        str, typer.Argument(help="A name, model file, ONNX file, network JSON, or module.py:make_model.")
    ],
    data: Annotated[str | None, typer.Argument(help="Images on which the constants are found.")] = None,
    to: Annotated[
        str | None, typer.Option(metavar="4x|300M-macs|5M-params|2MB|5ms", help="How large it is to be.")
    ] = None,
    phi: Annotated[int | None, typer.Option(min=1, help="Coefficient of the network, if no size is given.")] = None,
    constants: Annotated[
        str | None, typer.Option(metavar="1.2,1.1,1.15", help="Depth, width and resolution at coefficient 1.")
    ] = None,
    grid_unit: Annotated[
        Literal["macs", "ms"], typer.Option("--equal", help="What the constants that are tried have in common.")
    ] = "macs",
    epochs: Annotated[int | None, typer.Option(min=1, help="Of the longest trainings that are compared.")] = None,
    seconds: Annotated[
        str | None, typer.Option("--time", metavar="90s|10m|2h", help="What all trainings may take instead.")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare/--no-compare", help="Train each way to scale too, at equal cost.")
    ] = True,
    classes: Annotated[int | None, typer.Option(help="Classes instead of the paper's.")] = None,
    input: Annotated[str | None, typer.Option(metavar="CxHxW", help="Input instead of the paper's.")] = None,
    carry: Annotated[str | None, typer.Option(metavar="MODEL", help="Trained model of NETWORK to start from.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="For initial weights and order.")] = 0,
    plot: Annotated[Path | None, typer.Option(help="Draw accuracy by cost: .svg, .png or .pdf.")] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write it: .json, or .safetensors with carried weights.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures and the network as JSON.")] = False,
) -> None:
    """Scale any network in depth, width and resolution together, by constants found on your images.

    Without images the constants are EfficientNet's. A model file, or --carry, gives a network that starts from the
    trained weights.

    Example: convsmith scale resnet20 photos/ --to 4x --time 30m --plot scaling.svg -o larger.json
    """
    from convsmith.cli.amounts import seconds_of
    from convsmith.scaling.plot import check_plot, draw
    from convsmith.scaling.scale import scale as run
    from convsmith.scaling.trials import Trials

    if plot is not None:
        check_plot(plot)
        if data is None or (constants is not None and not compare):
            raise UsageError("there is nothing to draw where nothing is trained", settings="plot")
    source = _source(network, data, classes, input)
    if out is not None:
        _check_out(out, weights=carry is not None or _is_model(network))
    made = run(
        source,
        data,
        to=to,
        phi=phi,
        constants=None if constants is None else _constants(constants),
        grid_unit=grid_unit,
        trials=Trials(epochs, None if seconds is None else seconds_of(seconds), compare, seed),
        carry=carry,
        told=lambda line: typer.echo(line, err=True),
    )
    if plot is not None:
        draw(made, plot)
        typer.echo(f"plot: {plot}", err=True)
    if out is not None:
        _write(made, out)
    say(made, as_json=as_json)


def _source(network: str, data: str | None, classes: int | None, input: str | None) -> Network | str:
    """The network as it is asked for; the word itself where the data settle the rest, or it may stand for a model."""
    from convsmith.cli.source import network_of

    if data is not None:
        asked = {"classes": classes, "input": input}
        if changed := tuple(name for name, value in asked.items() if value is not None):
            raise UsageError("the images settle these: leave them out", settings=changed)
        return network
    if _is_model(network) and classes is None and input is None:
        return network
    return network_of(network, classes, input)


def _is_model(network: str) -> bool:
    from convsmith import resolve

    path = None if resolve.is_code(network) else resolve.file_of(network)
    return path is not None and resolve.kind_of(path) == "model"


def _constants(words: str) -> Constants:
    """Depth, width and resolution of "1.2,1.1,1.15". Raises UsageError."""
    from convsmith.transform.compound import Constants

    try:
        depth, width, resolution = map(float, words.split(","))
    except ValueError:
        raise UsageError(
            f"must be three numbers, for depth, width and resolution, such as 1.2,1.1,1.15, not {words!r}",
            settings="constants",
        ) from None
    return Constants(depth, width, resolution)


def _check_out(out: Path, *, weights: bool) -> None:
    """Raises UsageError, before anything is trained, for a file that could not hold what is to be written."""
    if out.suffix not in (".json", ".safetensors"):
        raise UsageError(f"{out.name} must end in .json or .safetensors", settings="out")
    if out.suffix == ".safetensors" and not weights:
        raise UsageError(
            f"{out.name} is for a trained network's weights: scale a model file, or name one", settings=("out", "carry")
        )


def _write(made: Scaled, out: Path) -> None:
    if out.suffix == ".safetensors":
        from convsmith.model import save_model

        assert made.start is not None
        save_model(made.start.model, out)
        typer.echo(f"model: {out}, {made.start.how}", err=True)
        return
    from convsmith.files import write_bytes
    from convsmith.records import json_text

    write_bytes(out, json_text(made.network.to_json()).encode())
    typer.echo(f"network: {out}", err=True)
