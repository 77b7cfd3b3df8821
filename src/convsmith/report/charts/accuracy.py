"""Accuracy against parameters and against multiply-adds, the side of the input as colour (Howard et al. 2017, figs.
4 and 5)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from convsmith.network.describe import short
from convsmith.report.charts.canvas import INK, check_chart, drawing, save
from convsmith.report.charts.labels import Box, Point, write_labels
from convsmith.report.compared import Accuracy, ComparedNetwork
from convsmith.resolve import MODEL_FILE

MARKERS = ("*", "D", "^", "s", "P", "X")
"""One for each data set that own models were measured on, in turn; published figures are circles."""

LARGE = {"*": 150, "o": 42}
"""Area of a marker, in square points; of the others 52."""

SHADES = (0.08, 0.95)
"""The part of the colour map that is used, darkest for the smallest input: it stays in order when printed in grey."""

MARKER_POINTS, OWN_MARKER_POINTS = 3.6, 5.0
"""Radius of a marker, which labels keep clear of."""

FEW_POWERS = 100
"""An axis over fewer powers of ten than these also has ticks at 2 and 5."""

SIDE_ROOM = 0.16
"""Of a logarithmic axis' length, on each side of the networks."""

CAP_PIXELS = 3.0
"""Half the width of an interval's ends."""


class Drawn(NamedTuple):
    """One marker of one panel."""

    label: str
    x: float
    y: float
    accuracy: Accuracy
    side: int


def draw_accuracies(compared: Sequence[ComparedNetwork], path: Path) -> int:
    """Draws networks that have an accuracy; returns how many labels found no place.

    Raises UsageError for an ending other than .svg, .png and .pdf; OutputError.
    """
    check_chart(path)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    known = [(one, one.accuracy) for one in compared if one.accuracy is not None]
    labels, family = _labels([one.name for one, _ in known])
    sides = sorted({one.side for one, _ in known})
    marker_of = _markers([accuracy for _, accuracy in known])
    with drawing():
        figure = Figure(figsize=(11, 6), layout="constrained")
        canvas = FigureCanvasAgg(figure)
        panels = figure.subplots(1, 2, sharey=True)
        for axes, kind, title in zip(panels, ("params", "macs"), ("parameters", "multiply-adds"), strict=True):
            drawn = [
                Drawn(label, float(getattr(one.deployed, kind)), accuracy.top1, accuracy, one.side)
                for label, (one, accuracy) in zip(labels, known, strict=True)
            ]
            _scatter(axes, drawn, sides, marker_of)
            axes.set_xlabel(f"{title}, logarithmic")
        panels[0].set_ylabel("top-1 accuracy, %")
        _legend(figure, known, marker_of, family)
        _sides(figure, panels, sides)
        canvas.draw()  # type: ignore[no-untyped-call]  # positions are known from here on
        figure.set_layout_engine("none")
        missing = sum(_label(axes, labels, canvas) for axes in panels)
        save(figure, path, "Accuracy against parameters and multiply-adds")
    return missing


def _labels(names: Sequence[str]) -> tuple[list[str], str]:
    """What the points are called; where many are widths and sides of one family, these alone, and the family."""
    families = {name.partition(":")[0] for name in names if ":" in name}
    family = families.pop() if len(families) == 1 and sum(":" in name for name in names) > 1 else ""
    return [_short(name).removeprefix(f"{family}:") for name in names], family


def _short(name: str) -> str:
    """A run by its folder, another model file by its name without the ending."""
    path = Path(name)
    short = str(path.parent) if path.name == MODEL_FILE else path.stem if path.is_file() else name.rstrip("/")
    return short if short.isprintable() else repr(short)[1:-1]


def _markers(accuracies: Sequence[Accuracy]) -> dict[str, str]:
    """Data set of own models -> marker."""
    own = dict.fromkeys(one.data for one in accuracies if not one.published)
    return {data: MARKERS[i % len(MARKERS)] for i, data in enumerate(own)}


def _scatter(axes: Any, drawn: Sequence[Drawn], sides: Sequence[int], marker_of: dict[str, str]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    values = [one.x for one in drawn]
    axes.set_xscale("log")
    if max(values) < FEW_POWERS * min(values):
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(color=INK, alpha=0.18, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.margins(y=0.10)
    axes.set_xlim(_limits(values))
    colours = _colours(len(sides))
    for one in drawn:
        marker = "o" if one.accuracy.published else marker_of[one.accuracy.data]
        if one.accuracy.low is not None and one.accuracy.high is not None:
            ends = [[one.y - one.accuracy.low], [one.accuracy.high - one.y]]
            axes.errorbar(one.x, one.y, ends, color=INK, elinewidth=0.8, capsize=3, capthick=0.8, zorder=2)
        colour = colours[sides.index(one.side)]
        axes.scatter(
            one.x, one.y, s=LARGE.get(marker, 52), marker=marker, color=colour, edgecolor=INK, linewidth=0.8, zorder=3
        )
    axes.points_drawn = drawn


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """The ends of a logarithmic axis: room for labels on both sides, also where all values are one."""
    room = (max(values) / min(values) + 1) ** SIDE_ROOM
    return min(values) / room, max(values) * room


def _colours(count: int) -> list[Any]:
    from matplotlib import colormaps

    low, high = SHADES
    shades = [low + (high - low) * (i / (count - 1) if count > 1 else 0.5) for i in range(count)]
    return [colormaps["viridis"](shade) for shade in shades]


def _legend(
    figure: Any, known: Sequence[tuple[ComparedNetwork, Accuracy]], marker_of: dict[str, str], family: str
) -> None:
    """What the markers mean, above the panels."""
    from matplotlib.lines import Line2D

    entries = {}
    if any(accuracy.published for _, accuracy in known):
        entries["published, ImageNet" + (f" ({family}: width-side)" if family else "")] = "o"
    for data, marker in marker_of.items():
        entries[f"measured here, {data}, with 95% interval"] = marker
    handles = [
        Line2D(
            [], [], linestyle="", marker=shape, markerfacecolor="none", markeredgecolor=INK, markersize=7, label=label
        )
        for label, shape in entries.items()
    ]
    title = "accuracies on different images cannot be compared with each other" if len(entries) > 1 else None
    figure.legend(handles=handles, loc="outside upper center", ncols=min(3, len(handles)), title=title)


def _sides(figure: Any, panels: Any, sides: Sequence[int]) -> None:
    """The colours, a step for each side of an input."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap

    count = len(sides)
    scale = ScalarMappable(BoundaryNorm(range(count + 1), count), ListedColormap(_colours(count)))
    bar = figure.colorbar(scale, ax=panels, label="side of the input, pixels", aspect=30, pad=0.01)
    bar.set_ticks([i + 0.5 for i in range(count)], labels=[str(side) for side in sides])
    bar.ax.tick_params(length=0)
    bar.outline.set_edgecolor(INK)


def _label(axes: Any, labels: Sequence[str], canvas: Any) -> int:
    """Writes the labels of a panel where nothing is covered; returns how many found no place."""
    points, whiskers = [], []
    scale = canvas.figure.dpi / 72
    for one in axes.points_drawn:
        x, y = axes.transData.transform((one.x, one.y))
        points.append(Point(x, y, (MARKER_POINTS if one.accuracy.published else OWN_MARKER_POINTS) * scale))
        if one.accuracy.low is not None and one.accuracy.high is not None:
            low, high = (axes.transData.transform((one.x, value))[1] for value in (one.accuracy.low, one.accuracy.high))
            whiskers.append(Box(x - CAP_PIXELS, low, x + CAP_PIXELS, high))
    return write_labels(axes, canvas, labels, points, whiskers)
