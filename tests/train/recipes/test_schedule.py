import json
import math

import pytest
from hypothesis import given, strategies as st

from convsmith import records
from convsmith.errors import UsageError
from convsmith.train.recipes.schedule import Schedule, Updates, learning_rate

STEPS = st.integers(1, 500)


def test_warm_up_rises_by_equal_steps_to_the_peak() -> None:
    rates = [learning_rate(step, 0.4, Updates(100, 4)) for step in range(5)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])


def test_the_cosine_is_at_half_the_peak_in_the_middle_and_near_zero_at_the_end() -> None:
    assert learning_rate(60, 0.4, Updates(100, 20)) == pytest.approx(0.2)
    assert learning_rate(99, 0.4, Updates(100, 20)) < 0.001
    assert learning_rate(100, 0.4, Updates(100, 20)) == pytest.approx(0)


def test_without_warm_up_the_first_step_is_at_the_peak() -> None:
    assert learning_rate(0, 0.4, Updates(10, 0)) == 0.4


@given(STEPS, STEPS, st.floats(1e-6, 10))
def test_the_rate_rises_then_falls_and_stays_between_zero_and_the_peak(warmup: int, after: int, peak: float) -> None:
    total = warmup + after
    rates = [learning_rate(step, peak, Updates(total, warmup)) for step in range(total)]
    assert all(0 < rate <= peak * (1 + 1e-12) for rate in rates)
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert all(math.isfinite(rate) for rate in rates)


def test_one_cycle_falls_in_a_straight_line() -> None:
    cycle = Schedule("linear")
    rates = [learning_rate(n, 1, Updates(15, 5), schedule=cycle) for n in range(16)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, *(1 - i / 10 for i in range(11))])


def test_steps_fall_at_shares_of_the_whole_training() -> None:
    thirds = Schedule("steps", factor=0.1, drops=(0.5, 0.75))
    rates = [learning_rate(n, 1, Updates(100, 10), schedule=thirds) for n in (10, 49, 50, 74, 75)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_exponential_decay_goes_by_epochs() -> None:
    inception = Schedule("exponential", factor=0.94, every=2)
    updates = Updates(1000, epoch=10)
    assert [learning_rate(n, 1, updates, inception) for n in (19, 20, 40)] == pytest.approx([1, 0.94, 0.94**2])


def test_constant_stays() -> None:
    flat = Schedule("constant")
    assert {learning_rate(n, 0.3, Updates(9, 0), schedule=flat) for n in range(12)} == {0.3}


@pytest.mark.parametrize("wrong", [{"factor": 1.0}, {"drops": (0.5, 1.2)}, {"every": 0.0}])
def test_a_schedule_out_of_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"schedule.{next(iter(wrong))}: must be"):
        Schedule("steps", **wrong)


def test_a_schedule_survives_json() -> None:
    schedule = Schedule("steps", factor=0.2, drops=(0.3, 0.6))
    assert records.from_json(Schedule, json.loads(records.encode(schedule)), "a schedule") == schedule
