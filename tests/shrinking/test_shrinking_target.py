"""Targets as they are typed."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from convsmith.errors import UsageError
from convsmith.shrinking.target import Target

AMOUNTS = st.floats(min_value=0.001, max_value=1e9, allow_nan=False).map(lambda amount: round(amount, 3))
MEASURES = st.sampled_from(["bytes", "macs", "latency"])


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("100kB", Target("bytes", 100_000)),
        ("100 KB", Target("bytes", 100_000)),
        ("64KiB", Target("bytes", 65_536)),
        ("1.5MB", Target("bytes", 1_500_000)),
        ("900B", Target("bytes", 900)),
        ("10x", Target("bytes", 10, "x")),
        ("25%", Target("bytes", 25, "%")),
        ("50%-macs", Target("macs", 50, "%")),
        ("2x-macs", Target("macs", 2, "x")),
        ("30M-macs", Target("macs", 30_000_000)),
        ("12000-macs", Target("macs", 12_000)),
        ("2ms", Target("latency", 2)),
        (".5ms", Target("latency", 0.5)),
        ("1500us", Target("latency", 1.5)),
        ("2x-latency", Target("latency", 2, "x")),
        (" 10x ", Target("bytes", 10, "x")),
    ],
)
def test_a_target_is_read_as_it_is_typed(text, target):
    assert Target.parse(text) == target


@given(MEASURES, AMOUNTS, st.sampled_from(["", "x", "%"]))
def test_a_target_is_read_as_it_was_printed(measure, amount, unit):
    amount = {"x": 1 + amount, "%": min(99.9, amount), "": amount}[unit]
    target = Target(measure, amount, unit)
    again = Target.parse(str(target))
    assert (again.measure, again.unit) == (measure, unit)
    assert again.amount == pytest.approx(amount, rel=1e-9)


@given(st.text(max_size=12))
def test_any_other_text_is_a_usage_error_about_the_target(text):
    try:
        target = Target.parse(text)
    except UsageError as error:
        assert error.settings == ("to",)
    else:
        assert target.amount > 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("small", "is not a target; write a size such as 100kB"),
        ("", "is not a target"),
        ("100000", "a number without a unit"),
        ("1x", "1x is not smaller"),
        ("0.5x", "a ratio is above 1"),
        ("100%", "a share is below 100%"),
        ("0kB", "must be above 0"),
        ("-5kB", "is not a target"),
        ("5 parsecs", "is not a target"),
        ("5kB-macs", "is not a target"),
        ("5kB-latency", "is not a target"),
        ("1e9B", "is not a target"),
        ("nan", "is not a target"),
    ],
)
def test_what_is_no_target_is_refused(text, words):
    with pytest.raises(UsageError, match=words):
        Target.parse(text)


def test_limits_are_of_what_there_is():
    assert Target.parse("10x").limit(5000) == 500
    assert Target.parse("25%-macs").limit(1000) == 250
    assert Target.parse("2ms").limit(17) == 2
