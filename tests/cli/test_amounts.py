"""Amounts as people type them."""

from __future__ import annotations

import pytest
import typer
from command import Command
from hypothesis import given, strategies as st

from convsmith.cli.amounts import count, milliseconds, seconds_of, size


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("100000", 100_000),
        ("100_000", 100_000),
        ("100k", 100_000),
        ("1.5M", 1_500_000),
        ("2g", 2 * 10**9),
        ("1e6", 10**6),
        ("1.15M", 1_150_000),
        ("100.7", 100),
    ],
)
def test_counts(text: str, amount: int) -> None:
    assert count(text) == size(text) == size(f"{text}B") == amount


@given(st.integers(1, 2**60))
def test_every_whole_number_is_itself(amount: int) -> None:
    assert count(str(amount)) == amount


@pytest.mark.parametrize(
    "text", ["", "0", "-5", "k", "0.2", "100q", "1 000", "nan", "inf", "1e400", "100kk", "5ms", "1_", "1__0", "1e99999"]
)
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="such as 100000 or 100k"):
        count(text)


@pytest.mark.parametrize("text", ["", "0", "-1ms", "5s", "ms", "0ms"])
def test_what_are_no_milliseconds_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="such as 5 or 5ms"):
        milliseconds(text)


def test_times() -> None:
    assert milliseconds("5") == milliseconds("5ms") == milliseconds("5 ms") == 5
    assert (seconds_of("90s"), seconds_of("1.5m"), seconds_of("2h")) == (90, 90, 7200)


def test_a_limit_may_be_typed_so(convsmith: Command) -> None:
    refused = convsmith("design", "fashion-mini", "--max-params", "0.01k")
    assert refused.code == 2
    assert "--max-params: 10 cannot be met" in refused.err
    garbled = convsmith("design", "fashion-mini", "--max-params", "few")
    assert garbled.code == 2
    assert "'few' is no number of at least 1" in " ".join(garbled.err.split())
