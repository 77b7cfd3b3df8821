import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsmith.train.schedule import learning_rate

STEPS = st.integers(1, 500)


def test_warm_up_rises_by_equal_steps_to_the_peak() -> None:
    rates = [learning_rate(step, peak=0.4, warmup_steps=4, total_steps=100) for step in range(5)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])


def test_the_cosine_is_at_half_the_peak_in_the_middle_and_near_zero_at_the_end() -> None:
    assert learning_rate(60, peak=0.4, warmup_steps=20, total_steps=100) == pytest.approx(0.2)
    assert learning_rate(99, peak=0.4, warmup_steps=20, total_steps=100) < 0.001
    assert learning_rate(100, peak=0.4, warmup_steps=20, total_steps=100) == pytest.approx(0)


def test_without_warm_up_the_first_step_is_at_the_peak() -> None:
    assert learning_rate(0, peak=0.4, warmup_steps=0, total_steps=10) == 0.4


@given(STEPS, STEPS, st.floats(1e-6, 10))
def test_the_rate_rises_then_falls_and_stays_between_zero_and_the_peak(warmup: int, after: int, peak: float) -> None:
    total = warmup + after
    rates = [learning_rate(step, peak=peak, warmup_steps=warmup, total_steps=total) for step in range(total)]
    assert all(0 < rate <= peak * (1 + 1e-12) for rate in rates)
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert all(math.isfinite(rate) for rate in rates)
