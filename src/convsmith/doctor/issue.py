"""What the doctor says of a data set: an issue, with the images that have it, why it matters and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
"""An error makes a measurement wrong or training impossible; a warning costs accuracy; a note is to be known."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


CODES = (
    *("unreadable", "no-labels", "one-class", "missing-class", "no-splits", "few-images", "unbalanced"),
    *("leak", "near-leak", "contradiction", "near-contradiction", "duplicate", "near-duplicate", "wrong-label"),
    *("dark", "bright", "low-information", "blurred", "odd-aspect", "odd-size", "tiny", "constant", "odd-mode", "grey"),
    *("rotated", "enlarged"),
)
"""Of every issue that there is."""


@dataclass(frozen=True)
class Example:
    """An image that has an issue: its name, its row among the images that were inspected, and what is said of it.

    `other` is the row of the image that it is compared with. A file that cannot be read has no row.
    """

    name: str
    row: int | None = None
    detail: str = ""
    other: int | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}" if self.detail else self.name


@dataclass(frozen=True)
class Issue:
    """Something that is wrong with a data set, or to be known of it.

    `code` is unique ("leak"), `what` a sentence with figures, `why` it matters, `fix` what to do. `count` is how many
    images or classes have it, `examples` which, the worst first; all of them are there.
    """

    code: str
    severity: Severity
    what: str
    why: str
    fix: str
    count: int = 0
    examples: tuple[Example, ...] = ()

    def __str__(self) -> str:
        return f"{self.severity}: {self.what}"


def by_severity(issues: Sequence[Issue]) -> tuple[Issue, ...]:
    """The worst first; of one severity, as they were found."""
    return tuple(sorted(issues, key=lambda issue: SEVERITIES.index(issue.severity)))


SINGULAR = {"are": "is", "have": "has", "show": "shows", "hold": "holds"}


def images(count: int, verb: str = "") -> str:
    """The count with its noun, and a verb that agrees with it."""
    said = SINGULAR.get(verb, verb) if count == 1 else verb
    return f"{'1 image' if count == 1 else f'{count:,} images'} {said}".rstrip()
