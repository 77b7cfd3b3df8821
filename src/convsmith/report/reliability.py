"""The reliability diagram, and accuracy against coverage, of a measured model."""

from __future__ import annotations

import io
from pathlib import Path

from convsmith.errors import UsageError
from convsmith.evaluation.metrics import Metrics
from convsmith.report.page import GREY

FORMATS = ("svg", "png", "pdf")


def draw_reliability(metrics: Metrics, path: Path) -> None:
    """Draws accuracy against confidence by bins (Guo et al. 2017, figure 1), and against the share of sure answers.

    Raises UsageError for another ending than .svg, .png or .pdf, OutputError if the file cannot be written.
    """
    kind = path.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise UsageError(f"must end in .svg, .png or .pdf, not {path.name!r}", settings="plot")
    from matplotlib.figure import Figure

    from convsmith.files import write_bytes

    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        axes.tick_params(colors=GREY)
        axes.spines[:].set_color(GREY)
        axes.grid(color=GREY, alpha=0.25)
    left.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="as sure as right")
    bins = metrics.reliability
    most = max(one.images for one in bins)
    sizes = [20 + 180 * one.images / most for one in bins]
    left.scatter([one.confidence for one in bins], [one.accuracy for one in bins], sizes, color="C0", alpha=0.8)
    left.plot([one.confidence for one in bins], [one.accuracy for one in bins], color="C0", label="measured")
    left.set(xlim=(0, 1), ylim=(0, 1))
    left.set_xlabel("confidence (a point's area: images)", color=GREY)
    left.set_ylabel("accuracy", color=GREY)
    left.set_title(f"Calibration error {metrics.calibration.value:.2%}", color=GREY, fontsize=10)
    left.legend(labelcolor=GREY, frameon=False)
    curve = metrics.risk_coverage
    right.plot([one.share for one in curve], [one.accuracy for one in curve], color="C0")
    right.plot([one.share for one in metrics.coverage], [one.accuracy for one in metrics.coverage], "o", color="C0")
    right.set_xlim(0, 1.02)
    right.set_xlabel("share of the images that are answered, the surest first", color=GREY)
    right.set_ylabel("accuracy", color=GREY)
    right.set_title(f"Accuracy against coverage (AURC {metrics.aurc.value:.4f})", color=GREY, fontsize=10)
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, transparent=True, dpi=150)
    write_bytes(path, stream.getvalue())
