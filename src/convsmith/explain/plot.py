"""Gradient flows as a picture that can be read in print: lines differ in dashes and markers, not in colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convsmith.errors import UsageError
from convsmith.explain.flow import GradientFlow

FORMATS = (".svg", ".png", ".pdf")

STYLES: tuple[dict[str, Any], ...] = (
    {"color": "#0072b2", "linestyle": "-", "marker": "o"},
    {"color": "#d55e00", "linestyle": "--", "marker": "s"},
    {"color": "#009e73", "linestyle": "-.", "marker": "^"},
    {"color": "#cc79a7", "linestyle": ":", "marker": "D"},
    {"color": "#56b4e9", "linestyle": (0, (6, 1, 1, 1, 1, 1)), "marker": "v"},
    {"color": "#000000", "linestyle": "-", "marker": "x"},
)
"""Okabe and Ito's colours, which people with colour blindness tell apart, each with dashes and a marker of its own."""

MARKERS = 12
"""On a line, about so many layers have a marker."""


def draw(flows: Sequence[GradientFlow], path: str | Path) -> None:
    """Writes the gradient and activation norms of every layer, over the layer's place in its network, to a picture.

    The format follows from the file's name: .svg, .png or .pdf. A thin line is the last moment, where there is more
    than one. Raises UsageError for another ending or more networks than there are styles; OutputError.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from convsmith.files import replacing

    path = Path(path)
    check_plot(path, len(flows))
    with rc_context({"svg.hashsalt": "convsmith", "svg.fonttype": "none", "font.size": 9}), replacing(path) as file:
        figure = Figure(figsize=(8, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        for flow, style in zip(flows, STYLES, strict=False):
            _lines(left, flow, style, "gradient")
            _lines(right, flow, style, "activation")
        left.set(ylabel="gradient of one image's loss (L2)", xlabel="layer, from the first to the last")
        right.set(ylabel="activation (root mean square)", xlabel="layer, from the first to the last")
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
        figure.savefig(
            file, format=path.suffix[1:].lower(), dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None
        )


def check_plot(path: Path, networks: int) -> None:
    """Raises UsageError where `draw` would, before anything is measured."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path.name} must end in {', '.join(FORMATS)}", settings="plot")
    if networks > len(STYLES):
        raise UsageError(f"at most {len(STYLES)} networks fit into one plot, not {networks}", settings="plot")


def _lines(axes: Any, flow: GradientFlow, style: dict[str, Any], value: str) -> None:
    """The first moment, and thin the last."""
    moments = flow.moments if len(flow.moments) == 1 else (flow.moments[0], flow.moments[-1])
    for moment in moments:
        norms = [getattr(layer, value) for layer in moment.layers]
        places = [i / max(1, len(norms) - 1) for i in range(len(norms))]
        first = moment is moments[0]
        label = f"{flow.network}: {moment.verdict}" + ("" if first else f" after {moment.step} updates")
        axes.plot(
            places, norms, label=label, linewidth=1.4 if first else 0.6, markersize=3.5 if first else 2,
            markevery=max(1, len(norms) // MARKERS), **style,
        )  # fmt: skip
    axes.set_yscale("log")
    axes.grid(visible=True, which="major", linewidth=0.3)
