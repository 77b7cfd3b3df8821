"""Amounts as people type them: 100k, 300M, 2MB, 5ms, 10m."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated

import typer

from convsmith.errors import UsageError

TIMES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
NUMBER = r"(\d+(?:_\d+)*(?:\.\d+)?(?:e[+-]?\d{1,3})?)"
COUNT, BYTES, MS = (re.compile(rf"{NUMBER}\s*{unit}", re.IGNORECASE) for unit in ("([kMG]?)", "([kMG]?)B?", "(ms)?"))


def count(text: str) -> int:
    """The whole part of a number, also as 100k or 1.5M. Raises typer.BadParameter for what is none, or below 1."""
    return _whole(text, COUNT, "100000 or 100k")


def size(text: str) -> int:
    """Bytes, also as 60kB or 2MB. Raises typer.BadParameter for anything else."""
    return _whole(text, BYTES, "2000000 or 2MB")


def milliseconds(text: str) -> float:
    """5 or 5ms. Raises typer.BadParameter for anything else."""
    found = MS.fullmatch(text.strip())
    if found is None or not float(found[1]) > 0:
        raise typer.BadParameter(f"{text!r} is no number of ms above 0, such as 5 or 5ms")
    return float(found[1])


def seconds_of(text: str) -> float:
    """Seconds of 90s, 10m or 2h. Raises UsageError for anything else."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.replace(".", "", 1).isdecimal() or not float(number):
        raise UsageError(f"must be a number with s, m or h, such as 10m, not {text!r}", settings="seconds")
    return float(number) * units[unit]


def _whole(text: str, words: re.Pattern[str], examples: str) -> int:
    found = words.fullmatch(text.strip())
    amount = Decimal(0) if found is None else Decimal(found[1]) * TIMES[found[2].lower()]  # 1.15M is exact so
    if not 1 <= amount < 2**63:
        raise typer.BadParameter(f"{text!r} is no number of at least 1, such as {examples}")
    return int(amount)


LIMITS = "Limits"

MaxParams = Annotated[
    int | None, typer.Option(parser=count, metavar="100k|5M", help="Most parameters.", rich_help_panel=LIMITS)
]
MaxMacs = Annotated[
    int | None,
    typer.Option(parser=count, metavar="300M|2G", help="Most multiply-adds for one image.", rich_help_panel=LIMITS),
]
MaxSize = Annotated[
    int | None,
    typer.Option(parser=size, metavar="60kB|2MB", help="Most bytes of the model file.", rich_help_panel=LIMITS),
]
MaxLatency = Annotated[
    float | None,
    typer.Option(parser=milliseconds, metavar="5ms", help="Most ms for one image.", rich_help_panel=LIMITS),
]
