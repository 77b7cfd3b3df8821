"""The zoo by year: accuracy over the date of each paper, parameters as area, multiply-adds as colour."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import Any

from convsmith.report.charts.canvas import INK, check_chart, drawing, save
from convsmith.report.charts.labels import Point, write_labels
from convsmith.zoo.timeline import Landmark

SHORTENED_YEARS = 1.2
"""How long a gap without papers is drawn that is longer than `LONGEST_GAP_YEARS`."""
LONGEST_GAP_YEARS = 3.0

MAC_STEPS = (1e9, 1e10, 1e11)
MAC_TITLES = ("under 1 G", "1 to 10 G", "10 to 100 G", "over 100 G")
"""Multiply-adds of one image: a shade for each, darkest for the fewest, so that they stay in order in grey."""
SHADES = (0.05, 0.4, 0.7, 0.97)

LEAST_AREA, AREA_BY_SQRT_MILLION = 22.0, 9.0
"""Square points of a marker: what the smallest has, and what is added for the square root of a million parameters."""

UNMEASURED = "none printed"
"""The row of the networks whose papers print no accuracy on ImageNet."""

ROW_BELOW, TICK_GAP = 5.0, 3.0
"""Percentage points between that row and the lowest accuracy, and between it and the lowest tick."""


def draw_timeline(landmarks: Sequence[Landmark], path: Path) -> int:
    """Draws the timeline; returns how many labels found no place.

    Networks whose papers print no accuracy on ImageNet stand in a row of their own at the bottom. Raises UsageError
    for an ending other than .svg, .png and .pdf; OutputError.
    """
    check_chart(path)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    place_of, ticks = _shortened(landmarks)
    measured = [one.top1 for one in landmarks if one.top1 is not None]
    bottom = min(measured, default=0.0) - ROW_BELOW
    heights = [bottom if one.top1 is None else one.top1 for one in landmarks]
    places = [place_of(one.year) for one in landmarks]
    with drawing():
        figure = Figure(figsize=(11, 6.5), layout="constrained")
        canvas = FigureCanvasAgg(figure)
        axes = figure.subplots()
        areas = [_area(one.params) for one in landmarks]
        colours = _colours()
        for one, x, y, area in zip(landmarks, places, heights, areas, strict=True):
            colour = colours[sum(one.macs >= step for step in MAC_STEPS)]
            above = 3 - area / 1e6  # the smaller in front of the larger
            axes.scatter(x, y, s=area, color=colour, edgecolor=INK, linewidth=0.8, zorder=above)
        _axes(axes, ticks, bottom, max(heights))
        _legends(figure, colours)
        canvas.draw()  # type: ignore[no-untyped-call]  # positions are known from here on
        figure.set_layout_engine("none")
        scale = figure.dpi / 72
        points = [
            Point(float(x), float(y), sqrt(area) / 2 * scale)
            for (x, y), area in zip(axes.transData.transform([*zip(places, heights, strict=True)]), areas, strict=True)
        ]
        missing = write_labels(axes, canvas, [one.network for one in landmarks], points)
        save(figure, path, "The zoo by year")
    return missing


def _shortened(landmarks: Sequence[Landmark]) -> tuple[Any, list[tuple[float, str]]]:
    """From years to places on the axis, which leaves out long gaps; and the ticks, one for each year that has papers.

    A year after a gap has a mark in its title.
    """
    years = sorted({one.paper.year for one in landmarks})
    shifts: dict[int, float] = {}
    shift, ticks = 0.0, []
    for before, year in zip([years[0], *years], years, strict=False):
        gap = year - before
        if gap > LONGEST_GAP_YEARS:
            shift += gap - SHORTENED_YEARS
        for between in range(before + 1, year) if gap <= LONGEST_GAP_YEARS else ():
            ticks.append((between - shift, str(between)))
        ticks.append((year - shift, f"//  {year}" if gap > LONGEST_GAP_YEARS else str(year)))
        shifts[year] = shift
    return (lambda date: date - shifts[int(date)]), ticks


def _axes(axes: Any, ticks: Sequence[tuple[float, str]], bottom: float, top: float) -> None:
    axes.set_xticks([place for place, _ in ticks], labels=[title for _, title in ticks])
    axes.set_ylabel("top-1 accuracy on ImageNet, % (as printed)")
    axes.grid(color=INK, alpha=0.18, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.margins(0.06, 0.08)
    axes.set_xlim(left=ticks[0][0] - 0.1)
    kept = [tick for tick in axes.get_yticks() if bottom + TICK_GAP < tick <= top + TICK_GAP]
    axes.set_yticks([bottom, *kept], labels=[UNMEASURED, *(f"{tick:g}" for tick in kept)])


def _area(params: float) -> float:
    return LEAST_AREA + AREA_BY_SQRT_MILLION * sqrt(params / 1e6)


def _colours() -> list[Any]:
    from matplotlib import colormaps

    return [colormaps["viridis"](shade) for shade in SHADES]


def _legends(figure: Any, colours: Sequence[Any]) -> None:
    """Multiply-adds as colours, parameters as areas."""
    from matplotlib.lines import Line2D

    def marker(size: float, colour: Any, label: str) -> Line2D:
        return Line2D(
            [], [], linestyle="", marker="o", markeredgecolor=INK, markerfacecolor=colour, markersize=size, label=label
        )

    macs = [marker(8, colour, title) for colour, title in zip(colours, MAC_TITLES, strict=True)]
    sizes = [marker(sqrt(_area(params)), "none", f"{params / 1e6:g} M") for params in (1e6, 1e7, 1e8)]
    figure.legend(handles=macs, title="multiply-adds", loc="outside right upper")
    figure.legend(handles=sizes, title="parameters", loc="outside right lower", labelspacing=1.6)
