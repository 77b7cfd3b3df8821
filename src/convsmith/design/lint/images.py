"""What rules ask of the images that a network is for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import Dataset

SAMPLED_IMAGES = 200
"""Training images, evenly spread, on which objects are measured."""
DIFFERS = 32
"""Of 255: how far a pixel's channel is from the image's border, to belong to the object."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Of the train split: images, classes, channels (1 if every image is grey), median (height, width); and what share
    of the height and width the object takes, median over images: 1 where it cannot be told from its ground."""

    train_images: int
    classes: int
    channels: int
    size: tuple[int, int]
    object_share: tuple[float, float]


def facts_of(dataset: Dataset) -> ImageFacts:
    """Measures up to `SAMPLED_IMAGES` training images."""
    train = dataset.split("train")
    rows = np.linspace(0, len(train) - 1, min(SAMPLED_IMAGES, len(train))).astype(int).tolist()
    shares = np.array([object_share(train.images[row]) for row in rows])
    height, width = np.median(shares, axis=0)
    return ImageFacts(len(train), len(dataset.classes), dataset.channels, dataset.size, (float(height), float(width)))


def object_share(image: NDArray[np.uint8]) -> tuple[float, float]:
    """The (height, width) of the box of all that differs from the border's median colour, over the image's."""
    values = image.reshape(*image.shape[:2], -1).astype(np.int16)
    border = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    differs = (np.abs(values - np.median(border, axis=0)) > DIFFERS).any(axis=2)
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    if not len(rows):
        return 1.0, 1.0
    return float(np.ptp(rows) + 1) / image.shape[0], float(np.ptp(columns) + 1) / image.shape[1]
