"""Accuracy over multiply-adds, for each way to scale: figure 8 of Tan and Le 2019, on the user's own data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from convsmith.errors import UsageError
from convsmith.scaling.scaled import GridPoint, Scaled, Step, Way

FORMATS = (".svg", ".png", ".pdf")

STYLES: dict[str, dict[str, Any]] = {
    "compound": {"color": "#d55e00", "linestyle": "-", "marker": "o"},
    "depth only": {"color": "#0072b2", "linestyle": "--", "marker": "s"},
    "width only": {"color": "#009e73", "linestyle": "-.", "marker": "^"},
    "resolution only": {"color": "#cc79a7", "linestyle": ":", "marker": "D"},
}
"""Okabe and Ito's colours, which people with colour blindness tell apart, each with dashes and a marker of its own."""


def check_plot(path: Path) -> None:
    """Raises UsageError for a file name that does not say a format, before anything is trained."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path.name} must end in {', '.join(FORMATS)}", settings="plot")


def draw(scaled: Scaled, path: str | Path) -> None:
    """Writes the picture: left the ways to scale, right the constants that were tried, if they were.

    A bar is the 95% interval of the val accuracy. Raises UsageError for a file name that does not say a format, and
    where nothing was trained; OutputError.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from convsmith.files import replacing

    path = Path(path)
    check_plot(path)
    if scaled.base.reached is None and not scaled.grid:
        raise UsageError("there is nothing to draw without trainings: give data", settings="plot")
    with rc_context({"svg.hashsalt": "convsmith", "svg.fonttype": "none", "font.size": 9}), replacing(path) as file:
        panels = (scaled.base.reached is not None) + bool(scaled.grid)
        figure = Figure(figsize=(4.6 * panels, 3.8), layout="constrained")
        axes = list(figure.subplots(1, panels, squeeze=False)[0])
        if scaled.base.reached is not None:
            _ways(axes[0], scaled)
            figure.legend(*axes.pop(0).get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
        if scaled.grid:
            _grid(axes.pop(0), scaled)
        figure.savefig(
            file, format=path.suffix[1:].lower(), dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None
        )


def _ways(axes: Any, scaled: Scaled) -> None:
    for shift, way in enumerate(scaled.ways):
        _line(axes, scaled.base, way, 1 + 0.012 * shift)
    axes.set_xscale("log")
    axes.minorticks_off()
    costs = sorted({step.member.cost.macs / 1e6 for way in scaled.ways[:1] for step in (scaled.base, *way.steps)})
    axes.set_xticks(costs, [f"{cost:.3g}" for cost in costs])
    axes.set(
        xlabel="million multiply-adds of one image",
        ylabel="val accuracy (%)",
        title=f"{scaled.base.member.network.name} on {scaled.data}, epochs of each: {scaled.epochs}",
    )
    axes.grid(visible=True, linewidth=0.3)


def _line(axes: Any, base: Step, way: Way, shift: float) -> None:
    """Points a little apart, so that their bars can be told from one another."""
    steps = [step for step in (base, *way.steps) if step.reached is not None and step.reached.accuracy is not None]
    costs = [step.member.cost.macs / 1e6 * shift for step in steps]
    found = [step.reached.accuracy for step in steps if step.reached is not None and step.reached.accuracy is not None]
    values = [100 * each.value for each in found]
    bars = [[100 * (each.value - each.low) for each in found], [100 * (each.high - each.value) for each in found]]
    axes.errorbar(
        costs, values, yerr=bars, label=way.name, linewidth=1.4, markersize=4, elinewidth=0.6, capsize=2,
        **STYLES[way.name],
    )  # fmt: skip


def _grid(axes: Any, scaled: Scaled) -> None:
    """Each point of the grid: depth over resolution, with its width; larger the longer it was trained."""
    last = max(point.reached.epochs for point in scaled.grid)
    for place, point in enumerate(sorted(scaled.grid, key=_place)):
        factors, reached = point.member.factors, point.reached
        finished = reached.epochs == last
        axes.scatter(
            factors.resolution,
            factors.depth,
            s=20 + 60 * reached.epochs / last,
            marker="o" if finished else "x",
            color="#d55e00" if finished else "#777777",
        )
        accuracy = "diverged" if reached.accuracy is None else f"{100 * reached.accuracy.value:.1f}%"
        axes.annotate(
            f"width {factors.width:.2f}\n{accuracy}\nafter {reached.epochs}",
            (factors.resolution, factors.depth),
            textcoords="offset points",
            xytext=(0, -8 if place % 2 else 8),  # by turns below and above, for neighbours are near one another
            va="top" if place % 2 else "bottom",
            ha="center",
            fontsize=7,
        )
    axes.margins(0.3)
    axes.set(
        xlabel="resolution (gamma)",
        ylabel="depth (alpha)",
        title="constants tried (x: stopped early)",
    )
    axes.grid(visible=True, linewidth=0.3)


def _place(point: GridPoint) -> tuple[float, float]:
    """Where it is drawn, by rows."""
    factors = point.member.factors
    return factors.depth, factors.resolution
