"""Sizes as they are asked for."""

from __future__ import annotations

import pytest

from convsmith.errors import UsageError
from convsmith.scaling.target import Target, said


@pytest.mark.parametrize(
    ("words", "amount", "unit"),
    [
        ("4x", 4, "times"),
        ("0.5x", 0.5, "times"),
        ("300M-macs", 3e8, "macs"),
        ("1.5Gmacs", 1.5e9, "macs"),
        ("800-macs", 800, "macs"),
        ("5M-params", 5e6, "params"),
        ("2MB", 2e6, "bytes"),
        ("500kB", 5e5, "bytes"),
        ("900B", 900, "bytes"),
        ("5ms", 5, "ms"),
        (" 2.5 ms ", 2.5, "ms"),
    ],
)
def test_a_size_is_read_with_its_unit(words: str, amount: float, unit: str) -> None:
    assert Target.of(words) == Target(amount, unit)  # type: ignore[arg-type]


@pytest.mark.parametrize("words", ["", "4", "x4", "4y", "-2x", "5 minutes", "3MB-macs", "1e3x"])
def test_what_is_no_size_is_refused_with_examples(words: str) -> None:
    with pytest.raises(UsageError, match=r"^to: must be 4x, 300M-macs"):
        Target.of(words)


def test_nothing_is_no_size() -> None:
    with pytest.raises(UsageError, match="above 0"):
        Target.of("0x")


def test_amounts_are_said_in_their_units() -> None:
    assert [said(2e6, "params"), said(2.5e6, "bytes"), said(4.321, "ms")] == ["2 M parameters", "2.5 MB", "4.32 ms"]
