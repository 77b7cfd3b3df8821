"""What TensorBoard shows of a run: curves, gradient norms, confusions, the hardest images."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from convsmith.data.images import printable
from convsmith.errors import CheckpointError
from convsmith.evaluation.confusion import MOST_CLASSES, Confusion, most_confused
from convsmith.train.run.events import EpochEnded, Event, Started
from convsmith.train.run.hardest_images import HardImage, hardest_images, write_hardest
from convsmith.train.step.gradients import GradientNorms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from convsmith.train.run.loop import Training

LONGEST_NAME = 18
"""Characters of a name in a picture."""

IMAGES_A_ROW = 4


PICTURES_EVERY_SECONDS = 60.0
"""Between pictures, which take some tenths of a second: a short run has those of its end alone."""


class TensorBoard:
    """An observer that writes `run_dir`/tensorboard, and the hardest images for the run's page.

    Epochs that the folder has and that are done again are hidden. Raises CheckpointError where it cannot write.
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir, self._board = run_dir, None  # type: Path, Board | None
        self._pictured = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._board is not None:
            self._board.close()
            self._board = None

    def __call__(self, event: Event, training: Training) -> None:
        try:
            if isinstance(event, Started) and self._board is None:
                self._board = Board(self._run_dir, event.epoch + 1)
            elif isinstance(event, EpochEnded) and self._board is not None:
                self._show(event, training, self._board)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CheckpointError(f"{self._run_dir / 'tensorboard'}: cannot be written ({reason})") from None

    def _show(self, event: EpochEnded, training: Training, board: Board) -> None:
        run = training.run
        board.scalars(event)
        if run.gradients is not None:
            board.gradients(run.gradients, event.epoch)
        due = time.monotonic() - self._pictured >= PICTURES_EVERY_SECONDS
        if run.predictions is None or not (due or training.finished):
            return
        val, classes = training.dataset.split("val"), training.dataset.classes
        hardest = hardest_images(val, run.predictions, classes)
        board.confusion(run.predictions.confusion(val.labels), classes, run.position.delivered)
        board.hardest(hardest, run.position.delivered)
        write_hardest(self._run_dir, hardest)
        self._pictured = time.monotonic()


class Board:
    """Writes to `run_dir`/tensorboard. What it has of epochs from `first` on, counted from 1, is hidden.

    Raises OSError if that cannot be written.
    """

    def __init__(self, run_dir: Path, first: int) -> None:
        self._writer = SummaryWriter(str(run_dir / "tensorboard"), purge_step=first)

    def close(self) -> None:
        self._writer.close()

    def scalars(self, event: EpochEnded) -> None:
        figures = {
            "loss/train": event.train_loss,
            "loss/val": event.val_loss,
            "accuracy/val": event.val_accuracy,
            "learning_rate": event.learning_rate,
            "images_per_second": event.images_per_second,
            "gradient_norm": event.gradient_norm,
        }
        for tag, value in figures.items():
            if value is not None:
                self._writer.add_scalar(tag, value, event.epoch)

    def gradients(self, norms: GradientNorms, epoch: int) -> None:
        """A curve for each layer."""
        for layer, norm in norms.layers.items():
            self._writer.add_scalar(f"gradient_norm_by_layer/{layer}", norm, epoch)

    def confusion(self, confusion: Confusion, classes: Sequence[str], epoch: int) -> None:
        """As a picture; of more than `MOST_CLASSES` classes, the pairs most often confused, as text."""
        if len(classes) <= MOST_CLASSES:
            picture = _picture(_confusion_figure(confusion, classes))
            self._writer.add_image("confusion", picture, epoch, dataformats="HWC")
            return
        pairs = most_confused(confusion, classes)
        lines = [f"{count:>6}  {printable(name)} called {printable(called)}" for count, name, called in pairs]
        # Indented, it is shown as it is: a class' name cannot become markup.
        self._writer.add_text("confusion", "\n".join(f"    {line}" for line in lines or ["none"]), epoch)

    def hardest(self, images: Sequence[HardImage], epoch: int) -> None:
        """One picture of them all, for a board's images have no captions."""
        if images:
            self._writer.add_image("hardest_images", _picture(_hardest_figure(images)), epoch, dataformats="HWC")


def _confusion_figure(confusion: Confusion, classes: Sequence[str]) -> Figure:
    """Rows are what images are, columns what they are called; coloured by the share of the row."""
    from matplotlib.figure import Figure

    counts = np.zeros((len(classes), len(classes)), np.int64)
    for pair, count in confusion.items():
        counts[pair] = count
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.5 + 0.4 * len(classes)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, j in zip(*np.nonzero(counts), strict=True):
        colour = "white" if shares[i, j] > 0.5 else "black"
        axes.text(j, i, str(counts[i, j]), ha="center", va="center", color=colour, fontsize=7)
    # A class may be called "$x$", which would be read as a formula.
    names, places = [_short(name) for name in classes], range(len(classes))
    axes.set_xticks(places, names, rotation=90, parse_math=False)
    axes.set_yticks(places, names, parse_math=False)
    axes.set_xlabel("called")
    axes.set_ylabel("is")
    return figure


def _hardest_figure(images: Sequence[HardImage]) -> Figure:
    from matplotlib.figure import Figure

    down = math.ceil(len(images) / IMAGES_A_ROW)
    figure = Figure(figsize=(2.2 * IMAGES_A_ROW, 2.6 * down), layout="constrained")
    grid = figure.subplots(down, IMAGES_A_ROW, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, image in zip(grid, images, strict=False):
        axes.imshow(image.pixels())
        caption = f"{_short(image.label)}\ncalled {_short(image.predicted)}\nloss {image.loss:.2f}"
        axes.set_title(caption, fontsize=8, parse_math=False)
    return figure


def _picture(figure: Figure) -> NDArray[np.uint8]:
    """uint8 (H, W, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name in a script that the font lacks
        canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]


def _short(name: str) -> str:
    shown = printable(name)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 1]}…"
