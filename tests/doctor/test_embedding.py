"""Vectors of images: what they tell apart, what they come from, that they are the same each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convsmith import open_dataset
from convsmith.data.given import images_of
from convsmith.doctor import embedding
from convsmith.doctor.embedding import embed
from convsmith.doctor.patches import patch_features


def nearest_is_alike(values: np.ndarray, labels: np.ndarray) -> float:
    """The share of images whose nearest neighbour by angle is of their class."""
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -1)
    return float((labels[alike.argmax(1)] == labels).mean())


def test_filters_learned_from_clothes_put_clothes_of_a_kind_together() -> None:
    split = open_dataset("fashion-mini").split("test")
    rows = np.arange(0, len(split), 3)
    found = embed(split.images, rows)
    assert not found.pretrained
    assert "learned from these images" in found.source
    assert nearest_is_alike(found.values, split.labels[rows]) > 0.7


def test_photographs_are_embedded_by_weights_that_are_installed(photo_folder: Path) -> None:
    split = open_dataset(photo_folder).split("train")
    found = embed(split.images)
    assert found.pretrained
    assert found.source == "efficientnet_pytorch/efficientnet_lite0, pretrained on ImageNet, at 96 pixels"
    assert found.values.shape == (len(split), 1280)
    assert nearest_is_alike(found.values, split.labels) > 0.8


def test_without_weights_photographs_get_filters_of_their_own(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "weights_at_hand", lambda: [])
    split = open_dataset(photo_folder).split("train")
    found = embed(split.images)
    assert not found.pretrained
    assert nearest_is_alike(found.values, split.labels) > 0.5


def test_images_without_labels_are_embedded(photo_folder: Path) -> None:
    images = images_of(photo_folder / "cat")
    rows = np.array([0, 1, 2])
    assert len(embed(images, rows)) == 3


def test_the_seed_settles_the_vectors() -> None:
    images = np.random.default_rng(1).integers(0, 256, (20, 32, 32, 3), np.uint8)
    assert np.array_equal(patch_features(images, seed=5), patch_features(images, seed=5))
    assert not np.array_equal(patch_features(images, seed=5), patch_features(images, seed=6))


@pytest.mark.parametrize("images", [np.zeros((3, 32, 32, 1), np.uint8), np.full((1, 32, 32, 3), 7, np.uint8)])
def test_images_that_show_nothing_have_finite_vectors(images: np.ndarray) -> None:
    values = patch_features(images)
    assert values.shape == (len(images), len(images))
    assert np.isfinite(values).all()
