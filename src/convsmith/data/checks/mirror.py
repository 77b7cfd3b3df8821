"""Whether a mirrored image still belongs to its class, by what images look like rather than what classes are called."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, reduce

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convsmith.data.dataset import Dataset
from convsmith.data.images import read_reduced
from convsmith.errors import DataError

SAMPLED_IMAGES = 1000
"""As many images are compared with each other: a second or two of work."""

SIDE = 16
"""Pixels to which images are brought for that: what tells classes apart by their side is coarse."""

READ_SIDE = 64
"""Pixels to which a JPEG may be reduced before."""

MAX_SHIFT = 6
"""Of these pixels, to either side."""

MIN_IMAGES = 5
"""Of a class, below which nothing can be said of it."""

EXCHANGED_SHARE = 0.4
"""Of the images of each of two classes: if mirroring brings more of them to the other, the two are each other's mirror
images."""


@dataclass(frozen=True)
class Mirrored:
    """Two classes that mirroring exchanges: how many of a hundred images of `one` have their nearest neighbour in
    `other` once they are mirrored, and how many have it as they are; on average of both ways."""

    one: str
    other: str
    mirrored: float
    as_they_are: float

    def __str__(self) -> str:
        return (
            f"mirroring exchanges {self.one!r} and {self.other!r}: the images most alike are of the other class for "
            f"{self.mirrored:.0%} of the mirrored images, and for {self.as_they_are:.0%} as they are"
        )


@lru_cache(maxsize=1)  # a recipe asks, and what tells of the run asks again
def mirrored_classes(dataset: Dataset) -> Mirrored | None:
    """The two classes that mirroring exchanges most, by the nearest neighbours of training images; None if it does not.

    Small grey copies are compared by their correlation. Turns, arrows and left hands are found so; classes that only
    look one way by chance are not, because their mirror images go to no class in particular.
    """
    images, labels = _sampled(dataset)
    counts = np.bincount(labels, minlength=len(dataset.classes))
    known = counts >= MIN_IMAGES
    if known.sum() < 2:
        return None
    before = _confusions(_alike(images, images), labels, counts)
    after = _confusions(_alike(images[:, :, ::-1], images), labels, counts)
    more = after - before
    more[~known], more[:, ~known] = 0, 0
    np.fill_diagonal(more, 0)
    both_ways = np.minimum(more, more.T)
    one, other = np.unravel_index(both_ways.argmax(), both_ways.shape)
    if both_ways[one, other] <= EXCHANGED_SHARE:
        return None
    share_after, share_before = ((share[one, other] + share[other, one]) / 2 for share in (after, before))
    return Mirrored(dataset.classes[one], dataset.classes[other], float(share_after), float(share_before))


def _sampled(dataset: Dataset) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Small grey copies (N, SIDE, SIDE) of training images spread evenly over the split, and their labels."""
    train = dataset.split("train")
    rows = np.unique(np.linspace(0, len(train) - 1, min(SAMPLED_IMAGES, len(train))).astype(int))
    small, kept = [], []
    for row in rows.tolist():
        with suppress(DataError, OSError):  # training says which files have gone
            grey = Image.fromarray(read_reduced(train.images, row, (READ_SIDE, READ_SIDE))).convert("L")
            small.append(np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BOX), np.float64))
            kept.append(row)
    return np.array(small).reshape(-1, SIDE, SIDE), train.labels[kept]


def _alike(images: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """The correlation (N, N) of each image with each other one, at the sideways shift at which it is highest: what
    stands left of the middle stands right of it in the mirror."""
    fixed = _normalized(others).T
    shifted = (_normalized(np.roll(images, shift, axis=2)) @ fixed for shift in range(-MAX_SHIFT, MAX_SHIFT + 1))
    return reduce(np.maximum, shifted)


def _normalized(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, pixels) whose products are correlations."""
    flat = images.reshape(len(images), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    norms: NDArray[np.float64] = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(norms, 1e-9))


def _confusions(
    alike: NDArray[np.float64], labels: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(K, K): of the images of each class, the shares whose nearest neighbour, but for themselves, is of each class."""
    alike = alike.copy()
    np.fill_diagonal(alike, -np.inf)
    found = np.zeros((len(counts), len(counts)))
    np.add.at(found, (labels, labels[alike.argmax(axis=1)]), 1)
    return np.asarray(found / np.maximum(counts, 1)[:, None])
