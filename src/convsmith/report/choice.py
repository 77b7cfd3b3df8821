"""How a run came to its network, where that was left to it: for its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convsmith.report.record import RunRecord, mapping


@dataclass(frozen=True)
class ChoiceShown:
    """Rows of the page's tables, every figure in words."""

    trials: tuple[Mapping[str, str], ...]
    candidates: tuple[Mapping[str, str], ...]
    decisions: tuple[Mapping[str, str], ...]


def choice_of(record: RunRecord) -> ChoiceShown | None:
    """What run.json says of the choice; None where network and weights were asked for. What is damaged is left out."""
    choice = mapping(record.plan.get("choice"))
    design = mapping(choice.get("design"))
    if not choice:
        return None
    return ChoiceShown(
        tuple(_trial(trial) for trial in _rows(choice.get("trials"))),
        tuple(_candidate(candidate) for candidate in _rows(design.get("candidates"))),
        tuple({key: str(value) for key, value in row.items()} for row in _decisions(design)),
    )


def _trial(trial: Mapping[str, Any]) -> Mapping[str, str]:
    seconds = trial.get("seconds")
    return {
        **_words(trial, "kind", "network", "verdict"),
        **_counts(trial, "params", "macs"),
        "accuracy": _interval(trial.get("accuracy")),
        "seconds": f"{seconds:.0f}" if isinstance(seconds, (int, float)) and seconds else "",
    }


def _candidate(candidate: Mapping[str, Any]) -> Mapping[str, str]:
    return {
        "kind": str(candidate.get("kind", "")),
        "network": str(candidate.get("name", "")),
        **_counts(candidate, "params", "macs"),
        "expected": _interval(candidate.get("expected")),
    }


def _decisions(design: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = ("name", "value", "rule", "evidence", "source", "otherwise")
    return [{name: row.get(name, "") for name in names} for row in _rows(design.get("decisions"))]


def _rows(value: object) -> list[Mapping[str, Any]]:
    return [mapping(row) for row in value] if isinstance(value, Sequence) and not isinstance(value, str) else []


def _words(row: Mapping[str, Any], *names: str) -> dict[str, str]:
    return {name: str(row.get(name, "")) for name in names}


def _counts(row: Mapping[str, Any], *names: str) -> dict[str, str]:
    return {name: f"{row[name]:,}" if isinstance(row.get(name), int) else "" for name in names}


def _interval(value: object) -> str:
    found = mapping(value)
    if not all(isinstance(found.get(key), (int, float)) for key in ("value", "low", "high")):
        return ""
    return f"{found['value']:.1%} ({found['low']:.1%} to {found['high']:.1%})"
