"""What every benchmark gives: rows of one table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Row(NamedTuple):
    """What was measured, what we aim at, the figures, and whether the aim is met; None where there is none."""

    benchmark: str
    aim: str
    measured: str
    met: bool | None


def show(rows: Iterable[Row]) -> None:
    """Prints rows as a Markdown table, each when it comes."""
    print("| benchmark | aim | measured |\n| --- | --- | --- |")
    for row in rows:
        print(
            f"| {row.benchmark} | {row.aim} | {row.measured}{', **not met**' if row.met is False else ''} |", flush=True
        )
