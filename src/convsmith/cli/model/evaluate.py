"""`convsmith evaluate`: measure a model on a data set."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from convsmith.cli.source import model_of
from convsmith.cli.verb import exit_for_unreadable, say


def evaluate(
    model: Annotated[str, typer.Argument(help="Model file, run folder, or published weights by name.")],
    data: Annotated[str, typer.Argument(help="Data set: a path or a name.")],
    split: Annotated[str | None, typer.Option(help="Which split to measure on. Default: test, or else val.")] = None,
    k: Annotated[int, typer.Option("--top", min=1, help="k of the top-k accuracy.")] = 5,
    side: Annotated[
        list[int] | None, typer.Option(min=8, max=1024, help="Images of this height in pixels; may be repeated.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Split data that have no splits of their own by it.")] = None,
    classes_by: Annotated[
        Literal["name", "wordnet"], typer.Option(help="Match classes by name, or take each for all of its kinds.")
    ] = "name",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; of several sides, a list.")] = False,
) -> None:
    """Measure accuracy, precision and recall by class, and calibration, each with a 95% interval.

    Data without splits of their own are split as in training if the model was trained on them, and measured whole if
    it was not. If files of the split cannot be read, they are named, and the exit code is 1.

    Example: convsmith evaluate runs/demo/model.safetensors fashion-mini
    """
    from convsmith.evaluation.evaluate import evaluate as measure, opened_for, resized, side_by_side

    measured = model_of(model)
    for one in side or ():
        resized(measured, one)  # refused before the data are opened
    dataset = opened_for(measured, data, seed)
    found = [measure(measured, dataset, split=split, k=k, side=one, classes_by=classes_by) for one in side or (None,)]
    if len(found) == 1:
        say(found[0], as_json=as_json)
    else:
        say([one.to_json() for one in found] if as_json else side_by_side(found), as_json=as_json)
    exit_for_unreadable(found[0].unreadable)
