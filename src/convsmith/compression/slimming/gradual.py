"""Slimming in several stages, with training between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from convsmith.compression.outcome import Outcome, Touched
from convsmith.compression.retrain import retrained
from convsmith.compression.sample import sample_of
from convsmith.compression.slimming.slim import Slimming, slim
from convsmith.data.dataset import Dataset
from convsmith.errors import UsageError
from convsmith.model import Model, load_model, save_model
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.run.loop import Observer


def slim_gradually(
    model: Model,
    dataset: Dataset,
    recipe: Recipe,
    settings: Slimming,
    stages: int,
    *,
    folder: Path | None = None,
    observers: Sequence[Observer] = (),
) -> Outcome:
    """The model slimmed in so many stages, each by the same factor, and trained by the recipe after each of them.

    Channels are judged anew at every stage, "taylor" on training images. With a `folder`, each stage has a folder in
    it, and a model once it is done: called again, slimming goes on where it was stopped. Raises UsageError for less
    than one stage, and as `slim` and `retrained` do.
    """
    if stages < 1:
        raise UsageError(f"must be at least 1, not {stages}", settings="stages")
    found = Outcome(model)
    touched: dict[str, Touched] = {}
    for stage in range(1, stages + 1):
        place = None if folder is None else folder / f"stage{stage}"
        step = replace(settings, keep=_share(settings.keep, stage, stages) / _share(settings.keep, stage - 1, stages))
        sample = sample_of(found.model, dataset, seed=recipe.seed) if settings.criterion == "taylor" else None
        slimmed = slim(found.model, step, sample)
        done = None if place is None else place / "model.safetensors"
        if done is not None and done.exists():
            trained = load_model(done)
        else:
            trained = retrained(slimmed.model, dataset, recipe, folder=place, observers=observers)
            if done is not None:
                save_model(trained, done)
        for one in slimmed.touched:
            touched[one.layer] = replace(one, before=touched.get(one.layer, one).before)
        found = Outcome(trained, tuple(touched.values()), slimmed.untouched)
    return found


def _share(keep: float, stage: int, stages: int) -> float:
    """What is left after a stage."""
    return float(keep ** (stage / stages))
