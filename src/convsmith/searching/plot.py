"""Accuracy over cost of a search's trials, with their front."""

from __future__ import annotations

from pathlib import Path

from convsmith.network.describe import short
from convsmith.report.charts.canvas import INK, check_chart, drawing, save
from convsmith.searching.found import AXES, Found

FRONT, OTHERS = "#d55e00", "#0072b2"

BELOW = 0.25
"""Of the range of finished trials, with their intervals: how far the axis goes below it."""


def draw(found: Found, path: Path) -> None:
    """The front with its 95% intervals, other finished trials, and as crosses those that were stopped early; what is
    below the axis stands on it.

    Raises UsageError for an ending other than .svg, .png and .pdf; OutputError.
    """
    check_chart(path)
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    unit = found.settings.cost_unit if found.front and found.front[0].cost == found.front[0].cost else "macs"
    with drawing():
        figure = Figure(figsize=(7, 4.6), layout="constrained")
        axes = figure.subplots()
        stopped = [trial for trial in found.trials if trial.ended == "stopped early" and trial.accuracy is not None]
        whole = [trial for trial in found.trials if trial.ended == "finished" and trial not in found.front]
        bottom = _bottom(found)
        axes.scatter(
            [trial.cost for trial in stopped],
            [max(bottom, 100 * trial.accuracy.value) for trial in stopped if trial.accuracy is not None],
            marker="x", s=22, color=INK, alpha=0.45, linewidth=1, label="stopped early (on the edge: below)",
            clip_on=False,
        )  # fmt: skip
        axes.scatter(
            [trial.cost for trial in whole],
            [100 * trial.accuracy.value for trial in whole if trial.accuracy is not None],
            marker="o", s=30, color=OTHERS, edgecolor=INK, linewidth=0.6, label="finished", zorder=3,
        )  # fmt: skip
        accuracies = [trial.accuracy for trial in found.front if trial.accuracy is not None]
        values = [100 * accuracy.value for accuracy in accuracies]
        bars = [
            [100 * (accuracy.value - accuracy.low) for accuracy in accuracies],
            [100 * (accuracy.high - accuracy.value) for accuracy in accuracies],
        ]
        costs = [trial.cost for trial in found.front]
        axes.errorbar(
            costs, values, yerr=bars, color=FRONT, marker="D", markersize=5, linewidth=1.2, elinewidth=0.8, capsize=3,
            markeredgecolor=INK, markeredgewidth=0.6, label="front, 95% interval", zorder=4,
        )  # fmt: skip
        _ring(axes, found)
        axes.set_ylim(bottom=bottom)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value) if unit != "ms" else f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(color=INK, alpha=0.18, linewidth=0.5)
        axes.set_axisbelow(True)
        axes.set_xlabel(f"{AXES[unit]}, logarithmic")
        axes.set_ylabel("val accuracy, %")
        axes.set_title(f"{found.space} on {found.data}: {len(found.trials)} trials of up to {found.epochs} epochs")
        figure.legend(loc="outside lower center", ncols=4)
        save(figure, path, "Accuracy against cost of the trials of a search")


def _bottom(found: Found) -> float:
    """The percentage at which the axis begins: what was stopped after an epoch would take up most of the picture."""
    ended = [trial for trial in found.trials if trial.ended == "finished"] or found.trials
    lows = [100 * trial.accuracy.low for trial in ended if trial.accuracy is not None]
    highs = [100 * trial.accuracy.high for trial in ended if trial.accuracy is not None]
    return max(0.0, min(lows) - BELOW * (max(highs) - min(lows)))


def _ring(axes: object, found: Found) -> None:
    """Around the network that is chosen."""
    if found.chosen.accuracy is not None:
        axes.scatter(  # type: ignore[attr-defined]
            [found.chosen.cost], [100 * found.chosen.accuracy.value],
            s=150, facecolor="none", edgecolor=INK, linewidth=1.2, label="chosen", zorder=5,
        )  # fmt: skip
