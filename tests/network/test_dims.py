"""Sizes as ints and as arrays: every rule gives the same answer for both."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from convsmith.errors import UsageError
from convsmith.network import dims

naturals = st.integers(0, 10_000)


@given(st.lists(st.tuples(naturals, naturals), min_size=1))
def test_maximum_of_arrays_is_the_maximum_of_each(numbers):
    left, right = (np.array(column) for column in zip(*numbers, strict=True))
    assert dims.maximum(left, right).tolist() == [max(a, b) for a, b in numbers]


@given(st.floats(1, 5000), st.sampled_from([4, 8, 16]))
def test_divisible_is_a_multiple_that_keeps_nine_tenths(channels, divisor):
    rounded = dims.divisible(channels, divisor)
    assert isinstance(rounded, int)
    assert rounded % divisor == 0
    assert rounded >= divisor
    assert rounded >= 0.9 * channels


@given(st.lists(st.integers(1, 4000), min_size=1))
def test_divisible_of_an_array_is_divisible_of_each(widths):
    assert dims.divisible(np.array(widths) * 0.75).tolist() == [dims.divisible(w * 0.75) for w in widths]


def test_divisible_is_the_rule_of_mobilenet():
    scaled = {32 * 0.35: 16, 16 * 0.35: 8, 24 * 0.35: 8, 96 * 0.35: 32, 1280 * 0.75: 960, 320 * 1.4: 448}
    assert {width: dims.divisible(width) for width in scaled} == scaled


def test_equal_compares_every_candidate():
    assert dims.equal((np.array([1, 2]), 3), (np.array([1, 2]), 3))
    assert not dims.equal((np.array([1, 2]), 3), (np.array([2, 3]), 3))
    assert not dims.equal((1, 2), (1,))


def test_candidates_that_agree_only_in_part_are_no_one_network():
    with pytest.raises(UsageError, match="cost them apart"):
        dims.equal((np.array([1, 2]), 3), (np.array([1, 3]), 3))


def test_elements_is_the_product():
    assert dims.elements((3, 4, 5)) == 60
    assert dims.elements(()) == 1


def test_text_and_pair():
    assert dims.text((64, 56, 56)) == "64x56x56"
    assert dims.pair(3) == (3, 3)
    assert dims.pair((1, 7)) == (1, 7)
