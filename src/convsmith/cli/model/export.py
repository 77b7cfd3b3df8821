"""`convsmith export`: a model as a verified ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convsmith.cli.source import model_of
from convsmith.cli.verb import exit_for_unreadable, say
from convsmith.errors import UsageError

if TYPE_CHECKING:
    from convsmith.deploy.verify import Verification
    from convsmith.network import Preprocess


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
    engines: Annotated[
        str | None, typer.Option("--verify-with", help="Engines: onnxruntime,openvino,opencv [onnxruntime].")
    ] = None,
    batch: Annotated[bool, typer.Option(help="Take a batch of images of one size.")] = False,
    image_size: Annotated[
        str | None, typer.Option(help="Take images of this size only, such as 480x640 (height x width).")
    ] = None,
    preprocess: Annotated[
        bool, typer.Option("--preprocess/--no-preprocess", help="Have preprocessing in the graph.")
    ] = True,
    opset: Annotated[int, typer.Option(help="Version of ONNX's operators.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a model as ONNX, preprocessing included, and verify that its predictions are the same.

    The ONNX file takes a decoded image (uint8, height x width x 3, any size). It is run in ONNX Runtime, and in the
    other engines that are asked for, against the PyTorch model on every image of the split, and is not written if a
    probability differs by more than the tolerance.

    Example: convsmith export runs/demo/model.safetensors --data fashion-mini --verify-with onnxruntime,openvino
    """
    from convsmith.backend.onnx import Form
    from convsmith.cli.progress import image_progress
    from convsmith.deploy.export import export as write
    from convsmith.resolve import file_of

    form = Form(preprocess, batch, None if image_size is None else size_of(image_size), opset)
    source = file_of(model)
    target = output or (Path(f"{model.rpartition('/')[2]}.onnx") if source is None else source.with_suffix(".onnx"))
    known = model_of(model)
    with image_progress("verifying") as advance:
        found = write(
            known,
            target,
            data,
            form=form,
            engines=engines_of(engines),
            split=split,
            tolerance=tolerance,
            limit=limit,
            on_progress=advance,
        )
    size = target.stat().st_size
    if as_json:
        say({"onnx": str(target), "bytes": size} | found.to_json(), as_json=True)
    else:
        _tell(target, size, found, None if preprocess else known.preprocess)
    exit_for_unreadable(found.unreadable)


def _tell(target: Path, size: int, found: Verification, before: Preprocess | None) -> None:
    say(f"{target} ({size:,} bytes): {found}", as_json=False)
    for one in (found, *found.others):
        if one is not found:
            say(f"{one.engine} ({one.precision}): {one}", as_json=False)
        for image in one.disagreements:
            say(
                f"  {image.image}: {image.expected} in PyTorch by {image.margin:.1e}, {image.actual} in {one.engine}",
                as_json=False,
            )
    if before is not None:
        say(f"it takes images that went through: {before}", as_json=False)


def engines_of(words: str | None) -> list[str] | None:
    """The engines of "onnxruntime,openvino"; None says that none was named. Raises UsageError for no name at all."""
    if words is None:
        return None
    names = [word.strip() for word in words.split(",") if word.strip()]
    if not names:
        raise UsageError("name an engine, such as onnxruntime", settings="engines")
    return names


def size_of(words: str) -> tuple[int, int]:
    """(height, width) of "480x640". Raises UsageError."""
    sides = words.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() for side in sides):
        raise UsageError(f"must be height x width, such as 480x640, not {words!r}", settings="image_size")
    return int(sides[0]), int(sides[1])
