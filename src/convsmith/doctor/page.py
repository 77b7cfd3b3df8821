"""An inspection as one self-contained HTML page, with pictures of the worst of each issue."""

from __future__ import annotations

import base64
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from convsmith.doctor.inspection import Inspection
from convsmith.doctor.issue import SEVERITIES, Example, Issue
from convsmith.doctor.text import facts_of
from convsmith.doctor.thumbnails import pixels_of
from convsmith.errors import DataError, UsageError
from convsmith.files import write_bytes

PICTURES = 12
"""Of each issue."""

NAMED = 20
"""Examples without a picture, of each issue."""

SIDE = 128
"""Pixels of a picture at most; smaller images are enlarged by whole numbers, so that single pixels can be seen."""

PAGE = (".html", ".htm")


@dataclass(frozen=True)
class _Picture:
    """An example with its picture and that of the image that it is compared with, as `data:` addresses."""

    example: Example
    image: str
    other: str


@dataclass(frozen=True)
class _Section:
    issue: Issue
    pictures: tuple[_Picture, ...]
    named: tuple[Example, ...]
    more: int


def write_inspection(inspection: Inspection, path: str | Path) -> Path:
    """Writes the page to an .html file and returns its path. Raises UsageError for another suffix, OutputError."""
    path = Path(path)
    if path.suffix.lower() not in PAGE:
        raise UsageError(f"{path}: the page is an {PAGE[0]} file", settings="html")
    write_bytes(path, page(inspection).encode())
    return path


def page(inspection: Inspection) -> str:
    """The page as text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("convsmith.doctor", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    severities = Counter(issue.severity for issue in inspection.issues)
    return environment.get_template("inspection.html.j2").render(
        summary=inspection.summary,
        facts=facts_of(inspection),
        counted=[(severity, severities[severity]) for severity in SEVERITIES if severities[severity]],
        sections=[_section(inspection, issue) for issue in inspection.issues],
    )


def _section(inspection: Inspection, issue: Issue) -> _Section:
    seen = [example for example in issue.examples if example.row is not None]
    pictures = tuple(_pictured(inspection, example) for example in seen[:PICTURES])
    named = tuple(example for example in issue.examples if example.row is None)[:NAMED]
    return _Section(issue, pictures, named, len(issue.examples) - len(pictures) - len(named))


def _pictured(inspection: Inspection, example: Example) -> _Picture:
    assert example.row is not None
    other = "" if example.other is None else _data_uri(inspection, example.other)
    return _Picture(example, _data_uri(inspection, example.row), other)


def _data_uri(inspection: Inspection, row: int) -> str:
    """A PNG of the image; nothing if it has gone."""
    try:
        image = Image.fromarray(pixels_of(inspection.subject.images, row, (SIDE, SIDE)))
    except (DataError, OSError):
        return ""
    longest = max(image.size)
    if longest > SIDE:
        image.thumbnail((SIDE, SIDE))
    elif longest <= SIDE // 2:
        times = SIDE // longest
        image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    file = io.BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
