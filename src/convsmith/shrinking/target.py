"""What a model is to be brought to: bytes of its file, multiply-adds, or milliseconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Literal

from convsmith.errors import UsageError

Measure = Literal["bytes", "macs", "latency"]

BYTES = {"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "kiB": 2**10, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
MACS = {"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}

WORDS = re.compile(r"(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>[A-Za-z%]*)(?:-(?P<of>macs|latency))?")

FORMS = "write a size such as 100kB, a ratio such as 10x or 50%, a latency such as 2ms, or 50%-macs, 30M-macs"


@dataclass(frozen=True)
class Target:
    """At most `amount` of a measure: bytes of the file, multiply-adds for one image, or ms for one image here.

    `unit` "x" says so many times less than the model has, "%" the share that may be left; "" is absolute. Bytes are
    compared with the model's file as it would be with all weights in float32. Raises UsageError out of range.
    """

    measure: Measure
    amount: float
    unit: Literal["", "x", "%"] = ""

    def __post_init__(self) -> None:
        for wrong, message in (
            (not (isfinite(self.amount) and self.amount > 0), f"must be above 0, not {self.amount:g}"),
            (self.unit == "x" and self.amount <= 1, f"{self.amount:g}x is not smaller: a ratio is above 1"),
            (self.unit == "%" and self.amount >= 100, f"{self.amount:g}% is not smaller: a share is below 100%"),
        ):
            if wrong:
                raise UsageError(message, settings="to")

    @classmethod
    def parse(cls, text: str) -> Target:
        """The target of a text: `100kB`, `64KiB`, `10x`, `25%`, `2ms`, `2x-latency`, `50%-macs`, `30M-macs`.

        kB, MB and GB are powers of 1000, KiB, MiB and GiB of 1024. Raises UsageError for anything else.
        """
        found = WORDS.fullmatch(text.strip())
        if found is None:
            raise UsageError(f"{text!r} is not a target; {FORMS}", settings="to")
        number, unit, of = float(found["number"]), found["unit"], found["of"]
        if unit in ("x", "%"):
            return cls(of or "bytes", number, unit)  # type: ignore[arg-type]  # the pattern has no others
        if of == "macs" and unit in MACS:
            return cls("macs", number * MACS[unit])
        if of in (None, "latency") and unit in MILLISECONDS:
            return cls("latency", number * MILLISECONDS[unit])
        if of is None and unit in BYTES:
            return cls("bytes", number * BYTES[unit])
        why = "a number without a unit" if not unit and of is None else "not a target"
        raise UsageError(f"{text!r} is {why}; {FORMS}", settings="to")

    def limit(self, now: float) -> float:
        """The most that may be left of the measure of which there is `now` so much."""
        if self.unit == "x":
            return now / self.amount
        return now * self.amount / 100 if self.unit == "%" else self.amount

    def __str__(self) -> str:
        """As it can be parsed again."""
        if self.unit:
            return f"{_plain(self.amount)}{self.unit}{'' if self.measure == 'bytes' else f'-{self.measure}'}"
        return f"{_plain(self.amount)}{ {'bytes': 'B', 'macs': '-macs', 'latency': 'ms'}[self.measure] }"


def _plain(amount: float) -> str:
    """Without an exponent, in as many digits as tell it apart."""
    return format(Decimal(repr(float(amount))).normalize(), "f")


def told(measure: Measure, amount: float) -> str:
    """An amount of a measure in words."""
    match measure:
        case "bytes":
            return f"{int(amount):,} bytes"
        case "macs":
            return f"{int(amount):,} multiply-adds"
        case "latency":
            return f"{amount:.3g} ms"
