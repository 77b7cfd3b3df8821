"""What a run says of its data before it starts, and what it refuses when it is strict."""

from __future__ import annotations

import numpy as np
import pytest

from convsmith import Dataset
from convsmith.doctor.quick import MOST_LINES, quick_issues, refuse_leaks, told
from convsmith.errors import DataError


def dataset(*, leaks: int = 0, contradictions: int = 0) -> Dataset:
    """Noise in two classes, 30 images each in train; some of test are in train, some of train there twice."""
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8)
    labels = np.arange(60) % 2
    held_out = np.random.default_rng(1).integers(0, 256, (20, 8, 8), np.uint8)
    held_out[:leaks] = images[:leaks]
    images[60 - contradictions :] = images[28 : 28 + contradictions]
    return Dataset.from_arrays(
        images, labels, splits={"val": (held_out[10:], labels[:10]), "test": (held_out[:10], labels[:10])}
    )


def test_sound_data_need_no_line() -> None:
    assert told(quick_issues(dataset())) == ()


def test_images_in_two_splits_are_said() -> None:
    (line,) = told(quick_issues(dataset(leaks=3)))
    assert line.startswith("error: 3 images are pixel for pixel in another split too: ")


def test_a_strict_run_refuses_them() -> None:
    with pytest.raises(DataError, match="arrays: 1 image is pixel for pixel in another split too") as refusal:
        refuse_leaks("arrays", quick_issues(dataset(leaks=1)))
    assert refusal.value.settings == ("strict",)
    refuse_leaks("arrays", quick_issues(dataset()))


def test_one_image_under_two_labels_is_said() -> None:
    assert any("different labels" in line for line in told(quick_issues(dataset(contradictions=1))))


def test_no_more_than_three_lines_are_said() -> None:
    issues = quick_issues(dataset(leaks=2, contradictions=1))
    assert len(told(issues * 4)) == MOST_LINES
    assert told(issues * 4)[-1].endswith("tells all")
