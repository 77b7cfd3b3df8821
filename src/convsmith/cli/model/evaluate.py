"""`convsmith evaluate` and `calibrate`: measure a model on a data set, or two against each other; fit a temperature."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from convsmith.cli.source import model_of
from convsmith.cli.verb import exit_for_unreadable, say
from convsmith.errors import UsageError

if TYPE_CHECKING:
    from convsmith.data.dataset import Dataset
    from convsmith.evaluation.corruption.robustness import Robustness
    from convsmith.evaluation.evaluate import Evaluation
    from convsmith.evaluation.protocol import Protocol
    from convsmith.model import Model

MOST_MODELS = 2


def evaluate(
    models: Annotated[list[str], typer.Argument(help="Model file, run folder or published weights; two are compared.")],
    data: Annotated[str, typer.Argument(help="Data set: a path or a name.")],
    split: Annotated[str | None, typer.Option(help="Which split to measure on. Default: test, or else val.")] = None,
    k: Annotated[int, typer.Option("--top", min=1, help="k of the top-k accuracy.")] = 5,
    side: Annotated[
        list[int] | None, typer.Option(min=8, max=1024, help="Images of this height in pixels; may be repeated.")
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="How images are looked at: own, or the name of one of the field's.")
    ] = "own",
    resize: Annotated[
        list[int] | None, typer.Option(min=1, help="Resize to this before the crops; may be repeated.")
    ] = None,
    crops: Annotated[int | None, typer.Option(help="Crops: 1, 5 (the corners too), or a grid of 4, 9, 16...")] = None,
    mirrored: Annotated[bool | None, typer.Option("--mirror/--no-mirror", help="Each crop mirrored too.")] = None,
    interpolation: Annotated[
        Literal["nearest", "bilinear", "bicubic"] | None, typer.Option(help="Of the resize.")
    ] = None,
    average: Annotated[
        Literal["probabilities", "logits"] | None, typer.Option(help="What is averaged over several crops.")
    ] = None,
    worst: Annotated[int, typer.Option(min=0, help="Name so many of the images that it got most wrong.")] = 0,
    plot: Annotated[Path | None, typer.Option(help="Also draw reliability and coverage: .svg, .png or .pdf.")] = None,
    corruptions: Annotated[
        bool, typer.Option("--corruptions", help="Also measure on corrupted images, 14 types at 5 severities (slow).")
    ] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Split data that have no splits of their own by it.")] = None,
    classes_by: Annotated[
        Literal["name", "wordnet"], typer.Option(help="Match classes by name, or take each for all of its kinds.")
    ] = "name",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; of several sides, a list.")] = False,
) -> None:
    """Measure accuracy, precision, recall and calibration, each with a 95% interval; or compare two models.

    Data without splits of their own are split as in training if the model was trained on them, and measured whole if
    it was not. If files of the split cannot be read, they are named, and the exit code is 1. The field's protocols are
    torchvision, timm, keras, caffe-10-crop, alexnet, resnet-10-crop and googlenet-144.

    Example: convsmith evaluate runs/demo/model.safetensors fashion-mini --protocol resnet-10-crop
    """
    from convsmith.evaluation.evaluate import evaluate as measure, side_by_side
    from convsmith.evaluation.measured import opened_for, resized
    from convsmith.evaluation.protocol import changed, protocol_named

    if len(models) > MOST_MODELS:
        raise UsageError(f"one model is measured or two are compared, not {len(models)}", settings="models")
    measured = model_of(models[0])

    def asked(side: int | None) -> Protocol:
        preprocess = resized(measured, side)[1]
        named = protocol_named(protocol, preprocess)
        return changed(
            named, sizes=resize or (), crops=crops, mirrored=mirrored, interpolation=interpolation, average=average
        )

    by = [asked(one) for one in side or (None,)]  # refused before the data are opened
    if corruptions and (len(by) > 1 or not by[0].single):
        raise UsageError("corruptions are measured at one side, on one view of an image", settings="corruptions")
    dataset = opened_for(measured, data, seed)
    if len(models) == MOST_MODELS:
        from convsmith.evaluation.paired import paired

        if side or classes_by != "name" or corruptions:
            raise UsageError("two models are compared as they are", settings=("side", "classes_by", "corruptions"))
        say(paired(models[0], models[1], dataset, split=split, protocol=by[0]), as_json=as_json)
        return
    found = [
        measure(measured, dataset, split=split, k=k, side=one, classes_by=classes_by, protocol=look)
        for one, look in zip(side or (None,), by, strict=True)
    ]
    if corruptions:
        found[0] = replace(found[0], robustness=_corrupted(measured, dataset, found[0], classes_by))
    if plot is not None:
        from convsmith.report.reliability import draw_reliability

        draw_reliability(found[0].metrics, plot)
    if len(found) == 1:
        say(found[0], as_json=as_json)
        if worst and not as_json:
            typer.echo("\nmost wrong:\n" + "\n".join(f"  {one}" for one in found[0].hardest[:worst]))
    else:
        say([one.to_json() for one in found] if as_json else side_by_side(found), as_json=as_json)
    exit_for_unreadable(found[0].unreadable)


def _corrupted(model: Model, data: Dataset, found: Evaluation, classes_by: Literal["name", "wordnet"]) -> Robustness:
    from convsmith.cli.progress import image_progress
    from convsmith.evaluation.corruption.robustness import robustness

    with image_progress("corrupting") as tell:
        return robustness(
            model,
            data,
            split=found.metrics.split,
            side=found.side if found.side != model.preprocess.crop[0] else None,
            classes_by=classes_by,
            protocol=found.protocol,
            progress=tell,
        )


def calibrate(
    model: Annotated[str, typer.Argument(help="Model file, run folder or published weights.")],
    data: Annotated[str, typer.Argument(help="Data set: a path or a name.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The calibrated model.")],
    fit_on: Annotated[str, typer.Option(help="Split that the temperature is fitted on.")] = "val",
    measure_on: Annotated[str, typer.Option(help="Split that it is measured on.")] = "test",
    seed: Annotated[int | None, typer.Option(min=0, help="Split data that have no splits of their own by it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a model as sure as it is right: divide its logits by the temperature that fits a split (Guo et al. 2017).

    The answers stay the same. The temperature is in the classifier's weights, so every export has it too.

    Example: convsmith calibrate runs/demo/model.safetensors fashion-mini -o calibrated.safetensors
    """
    from convsmith.evaluation.temperature import calibrate as fitted
    from convsmith.model import save_model

    found = fitted(model_of(model), data, fit_on=fit_on, measure_on=measure_on, seed=seed)
    save_model(found.model, out)
    say(found, as_json=as_json)
