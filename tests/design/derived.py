"""Data sets made for one purpose: what tells their classes apart is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from convsmith.data.dataset import Dataset

NAMES = ("first", "second", "third", "fourth")


def _dataset(images: NDArray[np.float64], labels: NDArray[np.int64], name: str) -> Dataset:
    return Dataset.from_arrays(images.clip(0, 255).astype(np.uint8), labels, classes=NAMES, name=name)


def hued(count: int = 320, side: int = 24) -> Dataset:
    """Blobs of one brightness by luma: only their hue is their class's."""
    generator = np.random.default_rng(0)
    labels = np.arange(count) % 4
    blobs = gaussian_filter(generator.normal(size=(count, side, side)), (0, 3, 3))
    grey = 120 + 120 * blobs[..., None] / np.abs(blobs).max()
    # Each is orthogonal to the luma weights, so that grey images say nothing of it.
    first, second = np.array([1.0, -0.299 / 0.587, 0.0]), np.array([0.0, -0.114 / 0.587, 1.0])
    hues = np.stack([60 * first, -60 * first, 60 * second, -60 * second])
    return _dataset(grey + hues[labels][:, None, None], labels, "hued")


def gratings(count: int = 320, side: int = 24) -> Dataset:
    """Noise in which a fine grating lies, the class is its direction: three pixels tell."""
    generator = np.random.default_rng(0)
    labels = np.arange(count) % 4
    y, x = np.mgrid[:side, :side]
    waves = [x, y, x + y, x - y]
    phase = generator.uniform(0, 2 * np.pi, count)
    images = [
        128
        + 60 * np.sin(np.pi * waves[label] * (0.8, 0.8, 0.6, 0.6)[label] + p)
        + generator.normal(0, 20, (side, side))
        for label, p in zip(labels, phase, strict=True)
    ]
    return _dataset(np.array(images), labels, "gratings")


def patterns(count: int = 320, side: int = 24) -> Dataset:
    """A large blurred wave over the whole image, under noise: no small patch tells its direction or number."""
    generator = np.random.default_rng(0)
    labels = np.arange(count) % 4
    y, x = np.mgrid[:side, :side] / side
    waves = [x, y, x + y, x - y]
    phase = generator.uniform(0, 2 * np.pi, count)
    images = [
        128 + 40 * np.sin(2 * np.pi * waves[label] + p) + generator.normal(0, 50, (side, side))
        for label, p in zip(labels, phase, strict=True)
    ]
    return _dataset(np.array(images), labels, "patterns")
