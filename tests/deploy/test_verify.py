from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from convsmith.data.dataset import Images
from convsmith.deploy.classifier import TorchClassifier
from convsmith.deploy.engines import ENGINES
from convsmith.deploy.export import to_bytes
from convsmith.deploy.trial_images import ODD_SIZES, TrialImages, spread, trial_images
from convsmith.deploy.verify import Refusal, compare, try_engines
from convsmith.errors import DataError, ModelFileError
from convsmith.model.file import Model

NAMES = ("a.png", "b.png")
CLASSES = ("ant", "bee")


@pytest.fixture
def exported(model: Model, tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(to_bytes(model))
    return path


def test_a_model_agrees_with_its_export(model: Model, exported: Path, images: Images) -> None:
    seen: list[tuple[int, int]] = []
    (result,), refusals = try_engines(
        TorchClassifier(model), exported, ENGINES[:1], images, 1e-5, lambda *done: seen.append(done)
    )
    assert result.passed
    assert refusals == ()
    assert result.images == 70
    assert seen == [(64, 70), (70, 70)]


def test_no_image_is_a_data_error(model: Model, exported: Path, images: Images) -> None:
    with pytest.raises(DataError, match="no image"):
        try_engines(TorchClassifier(model), exported, ENGINES[:1], TrialImages(images, (), ()), 1)


def test_an_engine_that_fails_on_an_image_is_a_refusal_that_names_it(
    model: Model, exported: Path, images: Images
) -> None:
    class Picky:
        version, precision = "1", "float32"

        def run(self, output: str, source: str, value: np.ndarray) -> np.ndarray:
            raise ModelFileError("too small")

    picky = replace(ENGINES[0], title="Picky", opener=lambda path, threads: Picky())
    found, refusals = try_engines(TorchClassifier(model), exported, [ENGINES[0], picky], images, 1)
    assert len(found) == 1
    assert refusals == (Refusal("Picky", "noise-0.png: too small"),)


def test_a_disagreement_is_reported_with_both_classes_and_the_margin() -> None:
    expected = np.array([[0.9, 0.1], [0.51, 0.49]], np.float32)
    actual = np.array([[0.9, 0.1], [0.48, 0.52]], np.float32)
    result = compare(expected, actual, NAMES, CLASSES, tolerance=0.05)
    assert result.passed
    assert result.agreement == 0.5
    (one,) = result.disagreements
    assert (one.image, one.expected, one.actual) == ("b.png", "ant", "bee")
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


def test_odd_sizes_come_after_the_images_and_are_named(images: Images) -> None:
    tried = trial_images(images, 2, None, odd=True)
    assert len(tried) == 2 + len(ODD_SIZES)
    assert tried.name(0) == "noise-0.png"
    assert tried.name(2) == "noise-0.png at 1x1"
    assert [tried[2 + i].shape[:2] for i in range(len(ODD_SIZES))] == list(ODD_SIZES)


def test_a_file_for_one_size_is_tried_in_that_size_alone(images: Images) -> None:
    tried = trial_images(images, 3, (11, 13), odd=True)
    assert {tried[i].shape for i in range(len(tried))} == {(11, 13, 3)}
    assert len(tried) == 3
