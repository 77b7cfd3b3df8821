from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from convsmith.data.dataset import Images
from convsmith.deploy.classifier import TorchClassifier
from convsmith.deploy.verify import compare, spread, verify
from convsmith.errors import DataError
from convsmith.model.file import Model

NAMES = ("a.png", "b.png")
CLASSES = ("ant", "bee")


def test_a_model_agrees_with_itself(model: Model, images: Images) -> None:
    reference = TorchClassifier(model)
    seen: list[tuple[int, int]] = []
    result = verify(reference, reference, images, tolerance=1e-5, on_progress=lambda *done: seen.append(done))
    assert result.passed
    assert result.images == 70
    assert seen == [(64, 70), (70, 70)]


def test_no_image_is_a_data_error(model: Model) -> None:
    reference = TorchClassifier(model)
    with pytest.raises(DataError, match="no image"):
        verify(reference, reference, type("Empty", (), {"__len__": lambda self: 0})(), tolerance=1)


def test_a_disagreement_is_reported_with_both_classes_and_the_margin() -> None:
    expected = np.array([[0.9, 0.1], [0.51, 0.49]], np.float32)
    actual = np.array([[0.9, 0.1], [0.48, 0.52]], np.float32)
    result = compare(expected, actual, NAMES, CLASSES, tolerance=0.05)
    assert result.passed
    assert result.agreement == 0.5
    (one,) = result.disagreements
    assert (one.image, one.torch, one.onnx) == ("b.png", "ant", "bee")
    assert one.margin == pytest.approx(0.02, abs=1e-6)
    assert result.differs_most == "b.png"


def test_not_a_number_never_passes() -> None:
    expected = np.array([[0.9, 0.1], [0.5, 0.5]], np.float32)
    actual = np.array([[0.9, 0.1], [np.nan, np.nan]], np.float32)
    assert not compare(expected, actual, NAMES, CLASSES, tolerance=1).passed


def test_a_verification_reads_as_one_line_and_as_json() -> None:
    expected = np.array([[0.9, 0.1], [0.5, 0.5]], np.float32)
    result = compare(expected, expected, NAMES, CLASSES, tolerance=1e-3)
    assert str(result) == "top-1 agrees on 2 of 2 images, largest difference in probability 0.0e+00 (tolerance 0.001)"
    assert json.loads(json.dumps(result.to_json()))["agreement"] == 1


@given(
    arrays.arrays(np.float32, (2, 2), elements=st.floats(0, 1, width=32)),
    arrays.arrays(np.float32, (2, 2), elements=st.floats(0, 1, width=32)),
    st.floats(0, 0.5),
)
def test_within_the_tolerance_only_narrow_margins_disagree(
    expected: np.ndarray, actual: np.ndarray, tolerance: float
) -> None:
    result = compare(expected, actual, NAMES, CLASSES, tolerance)
    if result.passed:
        assert all(one.margin <= 2 * tolerance + 1e-6 for one in result.disagreements)


@given(st.integers(0, 500), st.one_of(st.none(), st.integers(1, 600)))
def test_rows_are_spread_over_the_whole_set(count: int, limit: int | None) -> None:
    rows = spread(count, limit)
    assert len(rows) == (count if limit is None else min(count, limit))
    assert len(set(rows)) == len(rows)
    assert all(0 <= row < count for row in rows)
    gaps = np.diff(rows)
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1
