"""The steps of a compression: each is made once, measured, told, and kept where there is a folder for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from convsmith import records
from convsmith.compression.retrain import retrained
from convsmith.compression.sample import Sample, sample_of
from convsmith.data.dataset import Dataset
from convsmith.errors import ConvsmithError, RunFolderError
from convsmith.files import write_bytes
from convsmith.model import Model, load_model, save_model
from convsmith.shrinking.figures import Figures, figures_of
from convsmith.train.recipes.named import recipe_named
from convsmith.train.recipes.recipe import FineTuning, Recipe
from convsmith.train.run.events import Noticed
from convsmith.train.run.folder import MODEL_FILE
from convsmith.train.run.interrupt import Interruption
from convsmith.train.run.loop import Observer
from convsmith.train.run.tensorboard import TensorBoard
from convsmith.train.step.learner import AfterUpdate

FIGURES_FILE = "figures.json"
"""Beside a step's model."""
SAMPLE_IMAGES = 1024
"""On which importances, ranges and losses are measured."""


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a compression: its name, what it did, the model that it made, and what was measured of that."""

    name: str
    what: str
    model: Model
    figures: Figures


@dataclass(frozen=True, eq=False)
class Place:
    """Where a step trains: its folder if it has one, and how training is done."""

    work: Work
    folder: Path | None

    def retrained(
        self,
        model: Model,
        epochs: int,
        lr_scale: float,
        *,
        after_update: AfterUpdate | None = None,
        observers: Sequence[Observer] = (),
    ) -> Model:
        """The model trained on, at this share of its recipe's learning rate.

        Raises TrainingInterruptedError at a signal, with the training saved if there is a folder.
        """
        with self.watched() as watching:
            return retrained(
                model,
                self.work.dataset,
                self.recipe(model, epochs, lr_scale),
                after_update=after_update,
                folder=self.folder,
                observers=(*observers, *watching),
            )

    def recipe(self, model: Model, epochs: int, lr_scale: float) -> Recipe:
        """How the model is trained on."""
        return self.work.recipe_for(model, epochs, lr_scale)

    @contextmanager
    def watched(self) -> Iterator[tuple[Observer, ...]]:
        """Those that are told of a training: TensorBoard, the work's own observers, and signals, which stop it."""
        with ExitStack() as stack:
            board = () if self.folder is None else (stack.enter_context(TensorBoard(self.folder)),)
            yield (*board, *self.work.observers, stack.enter_context(Interruption()))


@dataclass(eq=False)
class Work:
    """The data, recipe and folder of a compression, and the steps that are done."""

    dataset: Dataset
    recipe: Recipe | str = "default"
    seed: int = 0
    folder: Path | None = None
    observers: tuple[Observer, ...] = ()
    _done: dict[str, Step] = field(default_factory=dict)
    _sample: Sample | None = None

    def tell(self, line: str) -> None:
        """Tells the observers a line."""
        for observer in self.observers:
            observer(Noticed(line), None)

    def within(self, name: str) -> Work:
        """The same with steps of its own, in a folder in this one's."""
        folder = None if self.folder is None else self.folder / name
        return replace(self, folder=folder, _done={})

    def sample(self, model: Model) -> Sample:
        """Training images, prepared as every model of this compression takes them."""
        if self._sample is None:
            self._sample = sample_of(model, self.dataset, SAMPLE_IMAGES, seed=self.seed)
        return self._sample

    def step(self, name: str, what: str, make: Callable[[Place], Model]) -> Step:
        """The step of this name: as it was made before, in this call or another with the same folder; or made now."""
        if name not in self._done:
            folder = None if self.folder is None else self.folder / name
            found = None if folder is None else _kept(folder, name, what)
            if found is None:
                self.tell(f"{name}: {what}")
                model = make(Place(self, folder))
                found = Step(name, what, model, figures_of(model, self.dataset))
                if folder is not None:
                    _keep(folder, found)
            self._done[name] = found
            self.tell(f"{name}: {in_short(found.figures)}")
        return self._done[name]

    def recipe_for(self, model: Model, epochs: int, lr_scale: float) -> Recipe:
        """The recipe that the work has, or that of its name for this network, for so many epochs and at this share of
        its learning rate. Every layer is trained, whatever the recipe says."""
        if isinstance(self.recipe, Recipe):
            recipe = self.recipe
        else:
            recipe = recipe_named(
                self.recipe, model.network, self.dataset, model.preprocess, epochs=epochs, seed=self.seed
            )
        return replace(
            recipe,
            epochs=epochs,
            warmup_epochs=min(recipe.warmup_epochs, epochs / 4),
            learning_rate=lr_scale * recipe.learning_rate,
            fine_tuning=FineTuning(),
        )


def in_short(figures: Figures) -> str:
    """Figures in a line."""
    costs = f"{figures.bytes:,} bytes, {figures.macs:,} multiply-adds, {figures.latency:.3g} ms"
    return f"val {figures.val.value:.2%}, {costs}"


def _keep(folder: Path, step: Step) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"cannot make the folder {folder}: {error.strerror}") from None
    save_model(step.model, folder / MODEL_FILE)
    write_bytes(folder / FIGURES_FILE, records.encode({"what": step.what, "figures": step.figures.to_json()}))


def _kept(folder: Path, name: str, what: str) -> Step | None:
    """The step that is in a folder; None where it is not done. Figures are written last, so they say that it is."""
    path = folder / FIGURES_FILE
    if not path.exists():
        return None
    try:
        data: Any = json.loads(path.read_bytes())
        figures = records.from_json(Figures, data["figures"], "a step's figures")
    except (OSError, ValueError, KeyError, TypeError, ConvsmithError) as error:
        raise RunFolderError(f"{path} is damaged ({error}); remove {folder} to do the step again") from None
    return Step(name, what, load_model(folder / MODEL_FILE), figures)
