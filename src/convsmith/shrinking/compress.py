"""From a model, its data and a target to the smaller model, step by step, each one measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from convsmith import records
from convsmith.compression.description import lean
from convsmith.data.dataset import Dataset
from convsmith.data.open import open_dataset
from convsmith.errors import ConvsmithError, DataError, UsageError
from convsmith.evaluation.measured import labelled_for, measured, opened_for
from convsmith.evaluation.overlap import trained_on
from convsmith.evaluation.paired import compared
from convsmith.evaluation.training_data import TrainingData
from convsmith.files import write_bytes
from convsmith.model import Model, save_model
from convsmith.network import ops
from convsmith.resolve import model_of
from convsmith.shrinking.figures import TEST, VAL, Figures, figures_of, plain, plain_bytes
from convsmith.shrinking.folder import begun
from convsmith.shrinking.methods import method_named
from convsmith.shrinking.outcome import Compressed, Record, Tried
from convsmith.shrinking.settings import Settings
from convsmith.shrinking.target import Target, told
from convsmith.shrinking.task import Route, Task, UnreachableError
from convsmith.shrinking.work import Step, Work
from convsmith.train.recipes.default import default_epochs
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.run.folder import MODEL_FILE, running
from convsmith.train.run.loop import Observer

REPORT_FILE = "compressed.json"
"""In the folder, beside the model: what `Compressed.to_json` gives."""
POINT = 0.01
"""Of accuracy."""
UNITS = {"bytes": "bytes", "macs": "multiply-adds", "latency": "milliseconds"}


class TargetMissedError(ConvsmithError):
    """A target that was not met within the accuracy that may be lost. `reached` is the nearest that there was; None
    where nothing came to the target's size at all."""

    def __init__(self, message: str, reached: Compressed | None = None) -> None:
        super().__init__(message, settings=("to", "max_drop"))
        self.reached = reached


def compress(
    model: Model | str | Path,
    data: Dataset | str | Path,
    to: Target | str,
    *,
    method: str = "best",
    max_drop: float = 0.5,
    epochs: int | None = None,
    recipe: Recipe | str = "default",
    folder: str | Path | None = None,
    seed: int | None = None,
    observers: Sequence[Observer] = (),
) -> Compressed:
    """Makes a model smaller or faster, and says what each step bought.

    `model` is a model, its file, or a run's folder; `data` the data that it is for, with train, val and test splits:
    the first is trained on, the second decides, the third is reported. `to` is a `Target` or its text: "100kB", "10x",
    "50%-macs", "2ms" (see `Target.parse`); "10x" is of the model's file with all weights in float32.

    `method` "best" tries one way after another, those without training first, until one meets the target and loses at
    most `max_drop` points of val accuracy: for bytes, quantization by rate and distortion, then with pruning and
    training before it, then with slimming before that; for multiply-adds, slimming, then low rank; for latency, 8-bit
    integers, then slimming. Or one named method: svd, prune, slim, share, deep, int8 (`convsmith.shrinking.methods`).
    Each way may take `epochs` passes over the training images, by default as many as training anew would. `recipe` says
    how to train, at a share of its learning rate.

    With a `folder`, each step's model, figures and log are kept there, and the same call goes on from them. Data that
    have no splits of their own are split as `evaluate` does it: by `seed`, or as in the model's training. `observers`
    are told every event of training, and a `Noticed` line about each step.

    Raises TargetMissedError naming what was reached and the smallest drop; UsageError for a target that the model meets
    already, for a method that does not lower it, or for a folder of another compression; DataError for other classes.
    """
    settings = Settings(method, max_drop, epochs, recipe, seed)
    target = Target.parse(to) if isinstance(to, str) else to
    given = model_of(model)
    ways = method_named(method).ways_to(target.measure)
    refuse_integers(given)
    dataset = opened(given, data, seed)
    work = Work(dataset, recipe, seed or 0, None, tuple(observers))
    task = task_for(given, figures_of(given, dataset), target, settings, work)
    _refuse_met(task)
    with ExitStack() as stack:
        place = None if folder is None else begun(Path(folder), settings, str(target), given, dataset)
        if place is not None:
            stack.enter_context(running(place))
        warn(work, given)
        task = replace(task, work=replace(work, folder=place))
        made = _reached(task, given, target, settings, ways)
        if place is not None:
            save_model(made.model, place / MODEL_FILE)
            write_bytes(place / REPORT_FILE, records.encode(made.to_json()))
    return made


def opened(model: Model, data: Dataset | str | Path, seed: int | None) -> Dataset:
    """The data with the model's classes in the model's order, split as in its training if it is known.

    Raises DataError for other classes or without a val or test split.
    """
    dataset = opened_for(model, data, seed)
    if "train" not in dataset.splits and not isinstance(data, Dataset):
        dataset = open_dataset(data, seed=0)  # it was not trained on these: any split will do
    if set(dataset.classes) != set(model.classes):
        others = sorted(set(dataset.classes) ^ set(model.classes))
        raise DataError(
            f"{dataset.name} has other classes than the model ({model.network.name}): {', '.join(others[:5])}"
        )
    for needed in ("train", VAL, TEST):
        dataset.split(needed)
    if dataset.classes == model.classes:
        return dataset
    splits = {name: labelled_for(model, dataset, split) for name, split in dataset.splits.items()}
    return replace(dataset, classes=model.classes, splits=splits)


def refuse_integers(model: Model) -> None:
    """Raises UsageError for a model that computes in integers, which cannot be trained on."""
    if any(isinstance(node.op, ops.Quantize) for node in model.network):
        raise UsageError(
            f"{model.network.name} computes in integers already; compress the model that it was made from",
            settings="model",
        )


def task_for(given: Model, before: Figures, target: Target, settings: Settings, work: Work) -> Task:
    """What is to be done to reach a target from a model that has these figures."""
    now = plain_bytes(given) if target.measure == "bytes" else before.amount(target.measure)
    epochs = settings.epochs or default_epochs(len(work.dataset.split("train")))
    limit = target.limit(now)
    return Task(plain(lean(given)), before, target.measure, limit, settings.max_drop * POINT, epochs, work)


def _refuse_met(task: Task) -> None:
    now = task.before.amount(task.measure)
    if now <= task.limit:
        raise UsageError(
            f"the model has {told(task.measure, now)} already, no more than {told(task.measure, task.limit)}",
            settings="to",
        )


@dataclass(frozen=True, eq=False)
class Attempt:
    """Ways that were tried, and the steps of the one that met the limit, or else came nearest; None if none could."""

    tried: tuple[Tried, ...]
    steps: tuple[Step, ...] | None
    met: bool


def attempt(task: Task, ways: Mapping[str, Route]) -> Attempt:
    """Tries one way after another until one meets the limit within the drop."""
    tried: list[Tried] = []
    found: list[tuple[Step, ...]] = []
    for name, way in ways.items():
        try:
            steps = way(task)
        except UnreachableError as error:
            tried.append(Tried(name, None, error.message))
            task.work.tell(f"{name} cannot reach the target: {error.message}")
            continue
        figures = steps[-1].figures
        tried.append(Tried(name, figures, ""))
        if task.met(figures):
            return Attempt(tuple(tried), steps, True)
        found.append(steps)
        task.work.tell(f"{name} does not meet the target: {missed(task, figures)}")
    if not found:
        return Attempt(tuple(tried), None, False)
    best = min(found, key=lambda steps: (not task.fits(steps[-1].figures), task.drop(steps[-1].figures)))
    return Attempt(tuple(tried), best, False)


def _reached(task: Task, given: Model, target: Target, settings: Settings, ways: Mapping[str, Route]) -> Compressed:
    """The steps of the first way that meets the target. Raises TargetMissedError."""
    found = attempt(task, ways)
    if found.steps is None:
        reasons = "; ".join(f"{one.name}: {one.reason}" for one in found.tried)
        raise TargetMissedError(f"{_wanted(task)} cannot be reached: {reasons}")
    result = _result(task, given, target, settings, found)
    if not found.met:
        raise TargetMissedError(_message(task, found.tried, found.steps[-1]), result)
    return result


def warn(work: Work, given: Model) -> None:
    """Says so if test images were trained on."""
    sketch, images = TrainingData.known_to(given.provenance).sketch, work.dataset.split(TEST)
    seen = trained_on(sketch, images.content) if sketch and images.content is not None else None
    if seen:
        work.tell(f"TRAINED ON {seen:,} of {len(images):,} test images: their accuracy says nothing of new ones")


def _wanted(task: Task) -> str:
    return f"at most {told(task.measure, task.limit)}"


def missed(task: Task, figures: Figures) -> str:
    """Why figures do not meet a target, in words."""
    if not task.fits(figures):
        return f"it comes to {told(task.measure, figures.amount(task.measure))}"
    return f"it loses {task.drop(figures) / POINT:.2f} points on val, more than {task.max_drop / POINT:g}"


def _message(task: Task, tried: Sequence[Tried], best: Step) -> str:
    ways = "; ".join(f"{one.name}: {one.reason if one.figures is None else missed(task, one.figures)}" for one in tried)
    head = f"{_wanted(task)} was not reached within {task.max_drop / POINT:g} points ({ways})"
    if not task.fits(best.figures):
        return f"{head}; the least is {told(task.measure, best.figures.amount(task.measure))}: allow that"
    drop = task.drop(best.figures) / POINT
    return f"{head}; allow a drop of {drop:.2f} points, more epochs, or more {UNITS[task.measure]}"


def _result(task: Task, given: Model, target: Target, settings: Settings, found: Attempt) -> Compressed:
    assert found.steps is not None
    last = found.steps[-1].model
    answers = [measured(model, task.work.dataset, split=TEST) for model in (given, last)]
    pair = compared(answers[0], answers[1], ("before", "after"))
    return Compressed(
        target=target,
        limit=task.limit,
        method=settings.method,
        max_drop=settings.max_drop,
        epochs=task.epochs,
        before=task.before,
        plain_bytes=plain_bytes(given),
        steps=tuple(Record(one.name, one.what, one.figures) for one in found.steps),
        tried=found.tried,
        met=found.met,
        difference=pair.difference,
        p_value=pair.p_value,
        test_images=pair.images,
        model=last,
        given=given,
        models=tuple(one.model for one in found.steps),
        dataset=task.work.dataset,
    )
