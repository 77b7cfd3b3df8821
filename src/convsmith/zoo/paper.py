"""Paper cards: where a network comes from and what its authors printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Paper:
    """A publication, and in one sentence what was new in it."""

    title: str
    authors: str
    year: int
    source: str
    """arXiv number, or journal and pages."""
    new: str
    month: int
    """When it appeared, 1 to 12: of the first preprint where there is one."""

    @property
    def cited(self) -> str:
        """First author and year: "He et al. 2015"."""
        first, *others = self.authors.split(", ")
        return (
            f"{first} et al. {self.year}" if len(others) > 1 else f"{self.authors.replace(', ', ' and ')} {self.year}"
        )


@dataclass(frozen=True, slots=True)
class PaperFigures:
    """Figures, to the printed digits. Accuracies are percent on ImageNet validation; `protocol` says how they
    were measured. Parameters are those that remain after training: auxiliary heads do not count."""

    params_m: float | None = None
    """Million parameters."""
    gmacs: float | None = None
    """Billion multiply-adds for one image."""
    top1: float | None = None
    top5: float | None = None
    protocol: str = ""
    note: str = ""
    """Where the paper and common implementations differ."""
    deviations: Mapping[str, str] = field(default_factory=dict)
    """Field ("params_m", "gmacs") -> why the paper's own layers do not give the figure that it prints."""
