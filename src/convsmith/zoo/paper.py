"""Paper cards: where a network comes from and what its authors printed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Paper:
    """A publication, and in one sentence what was new in it."""

    title: str
    authors: str
    year: int
    source: str
    """arXiv number, or journal and pages."""
    new: str


@dataclass(frozen=True, slots=True)
class Published:
    """Figures as printed. Accuracies are percent on ImageNet validation; `protocol` says how they were measured."""

    params_m: float | None = None
    gmacs: float | None = None
    top1: float | None = None
    top5: float | None = None
    protocol: str = ""
    note: str = ""
    """Where the paper and common implementations differ."""
