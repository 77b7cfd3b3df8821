"""How much accuracy each layer costs if it alone is pruned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from convsmith.compression.pruning.magnitude import Pruning, candidates, prune
from convsmith.compression.sample import Sample, loss_and_accuracy
from convsmith.errors import UsageError
from convsmith.files import replacing
from convsmith.model import Model

LEVELS = (0.3, 0.5, 0.7, 0.8, 0.9)
"""Sparsities at which a layer is tried."""

KINDS = ("png", "svg", "pdf")
"""Of pictures."""

LABELLED = 12
"""Curves that a legend can name before it hides the picture."""


@dataclass(frozen=True)
class Sensitivity:
    """Accuracy and loss with one layer pruned: a row for each of `layers`, a figure for each of `levels`.

    `accuracy` and `loss` are those of the whole model; `images` is how many they were measured on.
    """

    layers: tuple[str, ...]
    levels: tuple[float, ...]
    accuracies: tuple[tuple[float, ...], ...]
    losses: tuple[tuple[float, ...], ...]
    accuracy: float
    loss: float
    images: int

    def __str__(self) -> str:
        from convsmith.cost.table import aligned

        columns = ("layer", *(f"{level:.0%}" for level in self.levels))
        rows = [
            (layer, *(f"{value:.2%}" for value in row)) for layer, row in zip(self.layers, self.accuracies, strict=True)
        ]
        head = f"accuracy with one layer pruned, on {self.images:,} images; whole: {self.accuracy:.2%}"
        return f"{head}\n{aligned(columns, rows, 'l' + 'r' * len(self.levels))}"

    def plot(self, path: str | Path) -> None:
        """Writes the curves as a picture: PNG, SVG or PDF, by the file's name. Raises UsageError for another kind."""
        from matplotlib import colormaps
        from matplotlib.cm import ScalarMappable
        from matplotlib.figure import Figure

        kind = Path(path).suffix.lstrip(".")
        if kind not in KINDS:
            raise UsageError(
                f"a picture is one of {', '.join(KINDS)}, not {kind or 'without a suffix'}", settings="path"
            )
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes, palette = figure.subplots(), colormaps["viridis"]
        for place, (layer, row) in enumerate(zip(self.layers, self.accuracies, strict=True)):
            colour = palette(place / max(1, len(self.layers) - 1))
            axes.plot((0, *self.levels), (self.accuracy, *row), marker=".", color=colour, label=layer)
        axes.set_xlabel("share of the layer's weights at zero")
        axes.set_ylabel("accuracy")
        axes.set_title(f"one layer pruned at a time, {self.images:,} images")
        axes.grid(alpha=0.3)
        if len(self.layers) <= LABELLED:
            axes.legend(fontsize="small")
        else:
            bar = figure.colorbar(ScalarMappable(cmap=palette), ax=axes, ticks=(0, 1))
            bar.ax.set_yticklabels((self.layers[0], self.layers[-1]))
        with replacing(path) as unfinished:
            figure.savefig(unfinished, format=kind, dpi=120)


def sensitivity(
    model: Model,
    sample: Sample,
    levels: Sequence[float] = LEVELS,
    *,
    tell: Callable[[str], None] = lambda layer: None,
) -> Sensitivity:
    """Prunes each layer alone, to each of these shares, and measures the model on the sample (Han et al. 2015, fig. 6).

    `tell` hears of each layer before it is tried. Raises UsageError for a share out of range, or a network without
    layers that could be pruned.
    """
    keys, _ = candidates(model.network.inference, Pruning())
    layers = tuple(key.rpartition(".")[0] for key in keys)
    if not layers:
        raise UsageError(f"{model.network.name} has no layer that could be pruned")
    loss, accuracy = loss_and_accuracy(model, sample)
    found = []
    for layer in layers:
        tell(layer)
        spared = tuple(other for other in layers if other != layer)
        pruned = (prune(model, Pruning(level, "layer", spared=spared)).model for level in levels)
        found.append([loss_and_accuracy(one, sample) for one in pruned])
    return Sensitivity(
        layers=layers,
        levels=tuple(levels),
        accuracies=tuple(tuple(pair[1] for pair in row) for row in found),
        losses=tuple(tuple(pair[0] for pair in row) for row in found),
        accuracy=accuracy,
        loss=loss,
        images=len(sample),
    )
