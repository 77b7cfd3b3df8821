"""A choice with its reasons."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Decision:
    """What was chosen, by which rule, on which evidence, where the rule is from, and what would change the choice."""

    name: str
    value: str
    rule: str
    evidence: str
    source: str
    otherwise: str
