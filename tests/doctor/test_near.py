"""Near-copies: found where thousands of other images are nearly alike, and in photographs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from convsmith import Dataset, inspect, open_dataset

PLANTED = 40


def shifted(pixels: NDArray[np.uint8], down: int, across: int) -> NDArray[np.uint8]:
    padded = np.pad(pixels, [(1, 1), (1, 1), (0, 0)], "edge")
    return np.roll(padded, (down, across), (0, 1))[1:-1, 1:-1]


def clothes() -> list[NDArray[np.uint8]]:
    """Trousers and bags, which are much alike."""
    split = open_dataset("fashion-mini").split("train")
    return [np.asarray(split.images[int(row)]) for label in (1, 8) for row in np.flatnonzero(split.labels == label)]


def crops() -> list[NDArray[np.uint8]]:
    """Squares of 160 pixels from photographs, some of which overlap."""
    random = np.random.default_rng(0)
    photos = [np.asarray(getattr(skimage.data, name)()) for name in ("astronaut", "coffee", "chelsea")]
    found = []
    for number in range(240):
        photo = photos[number % 3]
        top, left = (int(random.integers(0, side - 160)) for side in photo.shape[:2])
        found.append(photo[top : top + 160, left : left + 160])
    return found


def pairs_of(images: list[NDArray[np.uint8]]) -> set[tuple[int, int]]:
    labels = np.arange(len(images)) % 2
    found = inspect(Dataset.from_arrays(np.stack(images), labels, ("a", "b"), splits={"val": 0.1}))
    number = [int("".join(filter(str.isdigit, found.subject.name_of(row)))) for row in range(len(images))]
    return {tuple(sorted((number[one], number[other]))) for one, other in found.copies.near.tolist()}


@pytest.mark.parametrize("step", [(0, 1), (1, 0), (-1, -1)])
@pytest.mark.parametrize("kind", [clothes, crops])
def test_copies_shifted_by_a_pixel_are_found(
    kind: Callable[[], list[NDArray[np.uint8]]], step: tuple[int, int]
) -> None:
    images = kind()
    copies = [shifted(images[row], *step) for row in range(0, PLANTED * 4, 4)]
    planted = {(row * 4, len(images) + row) for row in range(PLANTED)}
    found = pairs_of([*images, *copies])
    assert len(found & planted) >= 0.9 * PLANTED
    assert len(found - planted) <= 0.1 * PLANTED  # Fashion-MNIST itself has some pictures twice
