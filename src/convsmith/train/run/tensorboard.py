"""What TensorBoard shows of a run: curves, gradient norms, confusions, the worst images."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from convsmith.data.images import printable
from convsmith.evaluate.confusion import MOST_CLASSES, Confusion, most_confused
from convsmith.train.run.events import EpochEnded
from convsmith.train.run.hardest_images import WorstImage
from convsmith.train.step.gradients import GradientNorms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGEST = 18
"""Characters of a name in a picture."""

ACROSS = 4
"""Worst images side by side."""


class Board:
    """Writes to `run_dir`/tensorboard. What it has of steps from `first` on, epochs from 1, is done again, and hidden.

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

    def worst(self, images: Sequence[WorstImage], epoch: int) -> None:
        """One picture of them all, for a board's images have no captions."""
        if images:
            self._writer.add_image("worst_images", _picture(_worst_figure(images)), epoch, dataformats="HWC")


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


def _worst_figure(images: Sequence[WorstImage]) -> Figure:
    from matplotlib.figure import Figure

    down = math.ceil(len(images) / ACROSS)
    figure = Figure(figsize=(2.2 * ACROSS, 2.6 * down), layout="constrained")
    grid = figure.subplots(down, ACROSS, squeeze=False).ravel()
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
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
