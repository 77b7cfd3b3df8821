"""A design as text: the candidates, then each choice with its reasons."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from convsmith.cost.table import WIDTH, aligned
from convsmith.design.evidence.values import percent

if TYPE_CHECKING:
    from convsmith.design.decision import Decision
    from convsmith.design.designer import Candidate, Design

COLUMNS = ("candidate", "network", "parameters", "MACs", "expected accuracy", "ms")


def table(design: Design) -> str:
    """Candidates, choices, and what was measured for them, without a final newline."""
    evidence = design.evidence
    rows = [_row(candidate, chosen=candidate is design.chosen) for candidate in design.candidates]
    choices = "\n".join(_choice(decision) for decision in design.decisions)
    missing = f"; not measured for want of time: {', '.join(evidence.unmeasured)}" if evidence.unmeasured else ""
    measured = f"evidence measured in {evidence.seconds:.0f} s{missing}"
    return "\n\n".join([aligned(COLUMNS, rows, "llrrlr"), choices, f"* chosen; intervals of 95%; {measured}"])


def _row(candidate: Candidate, *, chosen: bool) -> tuple[str, ...]:
    return (
        f"{candidate.kind}{' *' if chosen else ''}",
        candidate.network.name,
        f"{candidate.cost.params:,}",
        f"{candidate.cost.macs:,}",
        percent(candidate.expected),
        "" if candidate.latency is None else f"{candidate.latency:.2f}",
    )


def _choice(decision: Decision) -> str:
    lines = [f"{decision.name}: {decision.value}"]
    parts = {
        "rule": decision.rule,
        "evidence": decision.evidence,
        "source": decision.source,
        "otherwise": decision.otherwise,
    }
    for title, said in parts.items():
        if said:
            indent = f"    {title:<10}"
            lines.append(textwrap.fill(said, WIDTH, initial_indent=indent, subsequent_indent=" " * len(indent)))
    return "\n".join(lines)
