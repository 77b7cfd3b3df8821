"""Accuracy against the size of the file, as a picture that can be read in print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convsmith.compression.description import lean
from convsmith.compression.rate_distortion import measure, quantize_at
from convsmith.evaluation.measured import measured
from convsmith.evaluation.metrics import Interval, wilson
from convsmith.explain.plot import STYLES, check_plot
from convsmith.model import Model
from convsmith.model.file import size_in_bytes
from convsmith.shrinking.figures import TEST, plain
from convsmith.shrinking.outcome import Compressed
from convsmith.shrinking.table import TITLES, Comparison
from convsmith.shrinking.target import Measure
from convsmith.shrinking.work import Work

PRICES = tuple(10 ** (exponent / 2) for exponent in range(-17, -3))
"""Of a bit, in nats an image: those at which a model is quantized for a curve."""
LEAST_RATIO, LEAST_SHARE = 5, 0.5
"""Times smaller than in float32 that a mark is at least, and the share of the accuracy below which a curve ends."""
SHOWN_DROP = 0.2
"""Of accuracy, that is drawn."""
LINES = (*STYLES, {"color": "#e69f00", "linestyle": "--", "marker": "*"})
"""As many as there are methods."""
AXES: dict[Measure, str] = {
    "bytes": "bytes of the file, everything included",
    "macs": "multiply-adds for one image",
    "latency": "ms for one image",
}


@dataclass(frozen=True)
class Mark:
    """A model on a curve: its size or cost, and its test accuracy."""

    amount: float
    accuracy: Interval


@dataclass(frozen=True)
class Curve:
    """Marks that belong together."""

    label: str
    marks: tuple[Mark, ...]


def curves_of(found: Compressed | Comparison) -> tuple[Curve, ...]:
    """The curves of a comparison, one a method; or of a compression: its steps, and for a file's size the first and the
    last of its models in floats, quantized to many sizes without further training."""
    if isinstance(found, Comparison):
        names = dict.fromkeys(point.method for point in found.points)
        return tuple(
            Curve(
                TITLES[name],
                tuple(Mark(one.figures.bytes, one.figures.top1) for one in found.points if one.method == name),
            )
            for name in names
        )
    figures = (found.before, *(one.figures for one in found.steps))
    steps = Curve("the steps", tuple(Mark(one.amount(found.target.measure), one.top1) for one in figures))
    if found.target.measure != "bytes":
        return (steps,)
    trained = [model for model in found.models if model.packing == "plain"]
    floats = {"quantized without training": found.given} | (
        {"quantized after pruning and training": trained[-1]} if trained else {}
    )
    return (steps, *(_quantized(label, plain(lean(model)), found) for label, model in floats.items()))


def _quantized(label: str, model: Model, found: Compressed) -> Curve:
    """A model quantized by rate and distortion to many sizes."""
    ready, marks = measure(model, Work(found.dataset).sample(model)), list[Mark]()
    for price in PRICES:
        small = quantize_at(ready, price).model
        size = size_in_bytes(small)
        if size > found.plain_bytes / LEAST_RATIO:
            continue
        answers = measured(small, found.dataset, split=TEST)
        hits = int((answers.logits.argmax(axis=1) == answers.labels).sum())
        marks.append(Mark(size, wilson(hits, len(answers.labels))))
        if marks[-1].accuracy.value < LEAST_SHARE * found.before.top1.value:
            break
    return Curve(label, tuple(marks))


def draw(found: Compressed | Comparison, path: str | Path) -> None:
    """Writes the curves of a compression or a comparison to a picture; see `curves_of` and `draw_curves`."""
    measured_by: Measure = found.target.measure if isinstance(found, Compressed) else "bytes"
    amount = found.plain_bytes if measured_by == "bytes" else found.before.amount(measured_by)
    draw_curves(curves_of(found), Mark(amount, found.before.top1), path, measured_by)


def draw_curves(curves: Sequence[Curve], before: Mark, path: str | Path, measure: Measure = "bytes") -> None:
    """Writes test accuracy against size to a picture: SVG, PNG or PDF, by the file's name. Bars are 95% intervals.

    Raises UsageError for another ending OutputError.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    from convsmith.files import replacing

    path = Path(path)
    check_plot(path, 1)
    with rc_context({"svg.hashsalt": "convsmith", "svg.fonttype": "none", "font.size": 9}), replacing(path) as file:
        figure = Figure(figsize=(7, 4.2), layout="constrained")
        axes = figure.subplots()
        axes.axhline(100 * before.accuracy.value, color="#777777", linewidth=0.8, linestyle="--")
        for curve, style in zip(curves, LINES, strict=False):
            _line(axes, curve, style)
        axes.annotate(
            f" before: {before.accuracy.value:.2%} at {_amount(before.amount)}", (0, 100 * before.accuracy.value),
            xycoords=("axes fraction", "data"), va="bottom", color="#777777",
        )  # fmt: skip
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda amount, _: _amount(amount)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(bottom=_bottom(curves, before))
        axes.set(xlabel=AXES[measure], ylabel="test accuracy, %")
        axes.grid(visible=True, linewidth=0.3)
        axes.legend(frameon=False, loc="lower right")
        figure.savefig(
            file, format=path.suffix[1:].lower(), dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None
        )


def _amount(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 10 else f"{amount:g}"


def _bottom(curves: Sequence[Curve], before: Mark) -> float:
    """The accuracy at which the picture ends: what falls far below that before is of no use, and would flatten it."""
    lowest = min(mark.accuracy.low for curve in curves for mark in curve.marks)
    return 100 * max(lowest - 0.01, before.accuracy.value - SHOWN_DROP)


def _line(axes: Any, curve: Curve, style: dict[str, Any]) -> None:
    marks = sorted(curve.marks, key=lambda mark: mark.amount)
    values = [100 * mark.accuracy.value for mark in marks]
    bars = (
        [max(0.0, 100 * (mark.accuracy.value - mark.accuracy.low)) for mark in marks],
        [max(0.0, 100 * (mark.accuracy.high - mark.accuracy.value)) for mark in marks],
    )
    axes.errorbar(
        [mark.amount for mark in marks], values, yerr=bars, label=curve.label, linewidth=1.2, markersize=4,
        elinewidth=0.5, capsize=2, **style,
    )  # fmt: skip
