"""What every chart has: ink on paper, swapped in dark mode, and a file in the format that its name asks for."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convsmith.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".svg", ".png", ".pdf")

INK, PAPER = "#1c1d1f", "#fdfdfe"
"""Text and lines, and what is behind them. In an SVG both follow the reader's colour scheme."""

DARK_INK, DARK_PAPER = "#e6e7ea", "#16181c"

INKED = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")

DOTS_PER_INCH = 150

SCHEMES = (
    f"<style>.convsmith-chart{{color:{INK}}}.convsmith-chart .paper{{fill:{PAPER}}}"
    f"@media screen and (prefers-color-scheme:dark){{"
    f".convsmith-chart{{color:{DARK_INK}}}.convsmith-chart .paper{{fill:{DARK_PAPER}}}}}</style>"
)
"""Print keeps ink on paper. The background is part of the picture, so that it can be read on a page of either kind."""


def check_chart(path: Path) -> None:
    """Raises UsageError where `save` would for the file's name, before anything is computed."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, not {path.name!r}", settings="plot")


@contextmanager
def drawing() -> Iterator[None]:
    """The style of all charts, for as long as one is drawn and saved."""
    from matplotlib import rc_context

    style: dict[Any, Any] = {
        **dict.fromkeys(INKED, INK),
        "font.size": 9,
        "font.family": "DejaVu Sans",
        "figure.facecolor": PAPER,
        "axes.facecolor": "none",
        "savefig.facecolor": PAPER,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "svg.hashsalt": "convsmith",
        "svg.fonttype": "none",
        "text.parse_math": False,  # a name may hold dollar signs
    }
    with rc_context(style), warnings.catch_warnings():
        # Readers of an SVG have fonts of their own for what ours lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def save(figure: Figure, path: Path, title: str) -> None:
    """Writes the chart as .svg, .png or .pdf, by the file's name. Raises UsageError for another ending, OutputError."""
    from convsmith.files import write_bytes

    check_chart(path)
    kind = path.suffix[1:].lower()
    stream = io.BytesIO()
    metadata = {
        "svg": {"Date": None, "Creator": None, "Title": title},
        "pdf": {"CreationDate": None, "Creator": None, "Title": title},
    }
    figure.savefig(stream, format=kind, dpi=DOTS_PER_INCH, metadata=metadata.get(kind, {"Title": title}))
    data = stream.getvalue()
    write_bytes(path, _in_schemes(data.decode()).encode() if kind == "svg" else data)


def _in_schemes(svg: str) -> str:
    """An SVG whose ink and paper follow the reader's colour scheme."""
    svg = svg.replace(f'style="fill: {PAPER}"', 'class="paper"').replace(INK, "currentColor")
    head, tag, body = svg.partition("<svg ")
    attributes, end, rest = body.partition(">")
    return f'{head}{tag}class="convsmith-chart" {attributes}{end}\n{SCHEMES}{rest}'
