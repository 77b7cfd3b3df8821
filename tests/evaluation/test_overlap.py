from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from convsmith.evaluation.overlap import SKETCH_SIZE, sketch, trained_on

HASHES = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=50).map(lambda found: np.array(found, np.int64))


@given(HASHES, HASHES.filter(len))
def test_of_few_training_images_the_count_is_exact(training: np.ndarray, measured: np.ndarray) -> None:
    both = np.concatenate([measured, training[:3]])
    assert trained_on(sketch(training), both) == np.isin(both, training).sum()


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_of_many_it_is_an_estimate(share: float) -> None:
    generator = np.random.default_rng(0)
    training, new = generator.integers(-(2**63), 2**63 - 1, (2, 20_000), np.int64)
    measured = np.concatenate([training[: int(share * 5000)], new[int(share * 5000) : 5000]])
    found = trained_on(sketch(training), measured)
    assert found is not None
    assert abs(found - share * 5000) < 500
    assert (found == 0) == (share == 0)


def test_a_sketch_is_small() -> None:
    assert len(sketch(np.arange(100_000))) < 11 * SKETCH_SIZE


def test_where_nothing_falls_into_the_sample_nothing_is_said() -> None:
    training = np.arange(SKETCH_SIZE * 2)
    assert trained_on(sketch(training), np.array([-1])) is None


@pytest.mark.parametrize("damaged", ["?", "AAA=", 7])
def test_a_damaged_sketch_says_nothing(damaged: object) -> None:
    assert trained_on(damaged, np.array([1])) is None  # type: ignore[arg-type]
