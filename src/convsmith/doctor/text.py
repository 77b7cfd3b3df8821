"""An inspection as a page of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convsmith.doctor.issue import Issue

if TYPE_CHECKING:
    from convsmith.doctor.inspection import Inspection

SHOWN = 3
"""Images of each issue that are named; the JSON and the page have all, or many."""


def text_of(inspection: Inspection) -> str:
    """The data set in figures, then each issue: what, why it matters, what to do, and the worst images."""
    parts = [str(inspection.summary), "\n".join(facts_of(inspection))]
    parts += [_issue(issue) for issue in inspection.issues]
    if not inspection.issues:
        parts.append("no issues found")
    return "\n\n".join(parts)


def facts_of(inspection: Inspection) -> list[str]:
    """What was measured, a line each."""
    (low, wide), (high, wider), measured = inspection.smallest, inspection.largest, inspection.measured
    lines = [f"sizes: {low}x{wide} to {high}x{wider}"] if inspection.smallest != inspection.largest else []
    numbers = [" ".join(f"{value:.3f}" for value in values) for values in (measured.mean, measured.std)]
    lines.append(f"mean {numbers[0]}, std {numbers[1]} (of 1, from {measured.sampled:,} images)")
    if measured.resolution is not None:
        lines.append(f"detail: up to {measured.resolution:.0%} of what the pixels could hold (median)")
    if inspection.labels is not None:
        check = inspection.labels
        lines.append(
            f"labels: checked on {check.images:,} images by {check.source}; {check.accuracy:.1%} agree, an estimated "
            f"{check.noise:.1%} are wrong or hard to tell"
        )
    return lines


def _issue(issue: Issue) -> str:
    lines = [f"{issue} [{issue.code}]", f"  {issue.why}", f"  {issue.fix}"]
    lines += [f"    {example}" for example in issue.examples[:SHOWN]]
    more = len(issue.examples) - SHOWN
    return "\n".join([*lines, *([f"    and {more:,} more"] if more > 0 else [])])
