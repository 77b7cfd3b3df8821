"""The choices in decoding that depend on the data set: what transparency lies on, and how many bits values have."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.errors import UsageError

WHITE, BLACK, MIDDLE = 255, 0, 128
GROUNDS = (WHITE, BLACK, MIDDLE)
"""Grey levels to put transparent images on, the usual one first."""


@dataclass(frozen=True)
class Decoding:
    """How files become uint8 RGB where that is a choice.

    `ground` is the grey level, 0 to 255, under transparent pixels. `bits` is how many of 16 bits the values of 16-bit
    grey use: 12-bit cameras write 0 to 4095 into 16-bit files. Raises UsageError for a value out of range.
    """

    ground: int = WHITE
    bits: int = 16

    def __post_init__(self) -> None:
        if not 0 <= self.ground <= 255:
            raise UsageError(f"must be a grey level from 0 to 255, not {self.ground}", settings="ground")
        if not 8 <= self.bits <= 16:
            raise UsageError(f"must be from 8 to 16, not {self.bits}", settings="bits")

    @property
    def highest(self) -> int:
        """The value of 16-bit grey that becomes 255."""
        return (1 << self.bits) - 1


USUAL = Decoding()
