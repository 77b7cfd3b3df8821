from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from convsmith.design.evidence.probe import Eye, Probe, gain, share


def striped(count: int = 120) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Images with a bright bar on the left or on the right; labels; parts."""
    generator = np.random.default_rng(0)
    labels = np.arange(count) % 2
    images = generator.uniform(0, 0.3, (count, 1, 16, 16)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        image[0, :, slice(5, 8) if label else slice(8, 11)] += 0.6
    return torch.from_numpy(images), labels.astype(np.int64), (np.arange(count) // 2 % 3).astype(np.int64)


def test_it_learns_what_can_be_learned_and_nothing_where_there_is_nothing() -> None:
    images, labels, folds = striped()
    assert Probe(images, labels, folds).answer.accuracy.value == 1.0
    shuffled = np.random.default_rng(1).permutation(labels)
    assert Probe(images, shuffled, folds).answer.accuracy.value < 0.75


def test_it_is_asked_about_changed_images_and_taught_them() -> None:
    images, labels, folds = striped()
    probe = Probe(images, labels, folds)
    mirrored = images.flip(3)
    assert probe.asked(mirrored).accuracy.value < 0.1
    assert gain(probe.taught(mirrored).right, probe.answer.right).value < -0.2
    assert gain(probe.taught(images.roll(1, 2)).right, probe.answer.right).value == pytest.approx(0, abs=0.02)


def test_without_places_it_cannot_tell_left_from_right() -> None:
    images, labels, folds = striped()
    assert Probe(images, labels, folds, Eye(grid=1)).answer.accuracy.value < 0.8


def test_it_learns_less_from_fewer_images() -> None:
    generator = np.random.default_rng(0)
    labels = (np.arange(240) % 2).astype(np.int64)
    images = torch.from_numpy(generator.normal(0.5, 0.2, (240, 1, 12, 12)).astype(np.float32))
    images[:, :, 4:8, 4:8] += 0.06 * torch.from_numpy(labels).float()[:, None, None, None]
    probe = Probe(images, labels, (np.arange(240) // 2 % 3).astype(np.int64))
    assert probe.after(0.1).accuracy.value < probe.answer.accuracy.value


@given(st.integers(1, 400), st.floats(0, 1))
def test_a_share_lies_in_its_interval(count: int, p: float) -> None:
    right = np.arange(count) < round(p * count)
    found = share(right)
    assert -1e-9 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1 + 1e-9


def test_a_gain_without_any_change_is_bounded_by_the_rule_of_three() -> None:
    same = np.ones(300, bool)
    found = gain(same, same)
    assert (found.low, found.value, found.high) == (-0.01, 0.0, 0.01)
