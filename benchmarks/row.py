"""What every benchmark gives: rows of one table."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import NamedTuple


class Row(NamedTuple):
    """What was measured, what we claim of it, the figures, and whether the claim holds; None where there is none."""

    benchmark: str
    claim: str
    measured: str
    holds: bool | None


def show(rows: Iterable[Row]) -> int:
    """Prints rows as a Markdown table, each when it comes. Returns 1 if a claim fails, else 0."""
    print("| benchmark | claim | measured |\n| --- | --- | --- |")
    failed = False
    for row in rows:
        failed |= row.holds is False
        said = "" if row.holds is not False else " **not met**"
        print(f"| {row.benchmark} | {row.claim} | {row.measured}{said} |", flush=True)
    return int(failed)


def main(rows: Iterable[Row]) -> None:
    sys.exit(show(rows))
