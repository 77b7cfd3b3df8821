"""The images that an exported file is tried on: as they are, and in sizes that find mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convsmith.data.dataset import Images

ODD_SIZES = ((1, 1), (1, 64), (64, 1), (7, 5), (37, 53), (53, 37), (200, 300), (123, 457), (601, 333))
"""(height, width): from one pixel, over long ones, to those where engines without antialiasing go wrong."""


@dataclass(frozen=True, eq=False)
class TrialImages:
    """The `rows` of images, each brought to its (height, width) in `sizes`, or as it is where that is None."""

    images: Images
    rows: Sequence[int]
    sizes: Sequence[tuple[int, int] | None]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        image, size = self.images[self.rows[index]], self.sizes[index]
        if size is None or image.shape[:2] == size:
            return image
        return np.array(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))

    def name(self, index: int) -> str:
        name, size = self.images.name(self.rows[index]), self.sizes[index]
        return name if size is None else f"{name} at {size[0]}x{size[1]}"


def trial_images(images: Images, limit: int | None, size: tuple[int, int] | None, *, odd: bool) -> TrialImages:
    """All images, or `limit` of them, evenly spread; where `odd`, one more in each of `ODD_SIZES`, made of these.

    A file that takes images of one `size` gets all of them in it.
    """
    rows = spread(len(images), limit)
    if size is not None or not odd or not rows:
        return TrialImages(images, rows, [size] * len(rows))
    more = [rows[i % len(rows)] for i in range(len(ODD_SIZES))]
    return TrialImages(images, [*rows, *more], [*[None] * len(rows), *ODD_SIZES])


def spread(count: int, limit: int | None) -> list[int]:
    """At most `limit` rows of `count`, evenly spread: data sets are often in the order of their classes."""
    kept = count if limit is None else min(limit, count)
    return [i * count // kept for i in range(kept)]
