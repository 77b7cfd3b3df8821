"""How large the scaled network is to be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from convsmith.errors import UsageError
from convsmith.network.describe import short

Unit = Literal["times", "macs", "params", "bytes", "ms"]

WORDS = re.compile(r"(\d+(?:\.\d+)?)\s*(?:(x)|([kMG]?)-?(macs|params)|([kMG]?B)|(ms))", re.IGNORECASE)
SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}

EXAMPLES = "4x, 300M-macs, 5M-params, 2MB or 5ms"


@dataclass(frozen=True, slots=True)
class Target:
    """What the network may take: `times` the multiply-adds of the one that is scaled; multiply-adds of one image;
    parameters; bytes of the model file; or ms for one image here.

    Raises UsageError for an amount that is not positive.
    """

    amount: float
    unit: Unit

    def __post_init__(self) -> None:
        if not self.amount > 0:
            raise UsageError(f"must be above 0, not {self.amount:g}", settings="to")

    @classmethod
    def of(cls, words: str) -> Target:
        """The target of "4x", "300M-macs", "5M-params", "2MB" or "5ms". Raises UsageError for anything else."""
        found = WORDS.fullmatch(words.strip())
        if found is None:
            raise UsageError(f"must be {EXAMPLES}, not {words!r}", settings="to")
        amount = float(found[1])
        if found[2]:
            return cls(amount, "times")
        if found[4]:
            return cls(amount * SCALES[found[3].lower()], "macs" if found[4].lower() == "macs" else "params")
        if found[5]:
            return cls(amount * SCALES[found[5][:-1].lower()], "bytes")
        return cls(amount, "ms")

    def __str__(self) -> str:
        return f"{self.amount:g}x the multiply-adds" if self.unit == "times" else said(self.amount, self.unit)


def said(amount: float, unit: Unit) -> str:
    """An amount with its unit, as it is printed."""
    match unit:
        case "times":
            return f"{amount:.3g}x"
        case "ms":
            return f"{amount:.3g} ms"
        case "bytes":
            return f"{short(round(amount))}B" if amount >= 1000 else f"{amount:g} B"
        case "macs":
            return f"{short(round(amount))} multiply-adds"
        case "params":
            return f"{short(round(amount))} parameters"
