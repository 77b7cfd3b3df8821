"""The picture of reliability and coverage."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convsmith.errors import UsageError
from convsmith.evaluation.metrics import measure
from convsmith.report.reliability import draw_reliability

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 4, 300)
METRICS = measure(RANDOM.standard_normal((300, 4)) + 2 * np.eye(4)[LABELS], LABELS, tuple("abcd"), split="test")


def test_both_curves_and_the_area_are_drawn(tmp_path: Path) -> None:
    draw_reliability(METRICS, tmp_path / "figure.svg")
    text = (tmp_path / "figure.svg").read_text()
    assert f"AURC {METRICS.aurc.value:.4f}" in text
    assert f"Calibration error {METRICS.calibration.value:.2%}" in text
    draw_reliability(METRICS, tmp_path / "figure.png")
    assert Image.open(tmp_path / "figure.png").size == (1350, 600)


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must end in"):
        draw_reliability(METRICS, tmp_path / "figure.txt")
