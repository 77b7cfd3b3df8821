"""A data set so small that a training takes a second, and a space to go with it."""

from __future__ import annotations

import numpy as np

from convsmith.data.dataset import Dataset
from convsmith.searching.spaces.space import Choice, Space

SIDE = 8


def dataset(count: int = 48) -> Dataset:
    """Grey noise, dark or light, 8x8."""
    random = np.random.default_rng(0)
    labels = np.arange(count) % 2
    images = random.integers(0, 128, (count, SIDE, SIDE), np.uint8) + (127 * labels).astype(np.uint8)[:, None, None]
    return Dataset.from_arrays(images, labels, ("dark", "light"), name="noise")


SPACE = Space(
    "tiny",
    "plain",
    (
        Choice("stem_kernel", (3, 5)),
        Choice("pooling", ("max", "mean")),
        Choice("function", ("relu", "silu")),
        Choice("stage1.kernel", (3,)),
        Choice("stage1.filters", (2, 4, 6, 8)),
        Choice("stage1.layers", (1, 2)),
    ),
)
