"""What evidence is measured on: a sample of the training images, all at one size."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from convsmith.data.dataset import SMALL_SIDE, Dataset
from convsmith.errors import DataError

SAMPLED_IMAGES = 1200
"""Enough that a difference of two points shows, and few enough that a probe takes a second or two."""

SAMPLED_CLASSES = 50
"""Of more classes, so many are sampled, evenly spread: probes need some images of each."""

LARGE_SIDE = 64
"""Pixels to which larger images are brought. Finer detail than that is not asked about."""

FOLDS = 3
"""Parts of the sample; a probe that is measured on one has learned from the others."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Training images float32 (N, 3, S, S) in 0..1, the largest middle square of each, and labels int64 (N,).

    `rows` int64 (N,) are their places in the train split; `classes` those that were sampled; `folds` int64 (N,) the
    part that each image belongs to, each class spread evenly over the parts. `total` is how many training images there
    are of these classes. `source_side` is the median shorter side in pixels before they were brought to S.
    """

    images: Tensor
    labels: NDArray[np.int64]
    rows: NDArray[np.int64]
    folds: NDArray[np.int64]
    classes: tuple[str, ...]
    total: int
    source_side: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def side(self) -> int:
        return int(self.images.shape[2])

    @property
    def grey(self) -> Tensor:
        """(N, 1, S, S), by luma (ITU-R 601)."""
        return luma(self.images)


def luma(images: Tensor) -> Tensor:
    """Grey images (N, 1, H, W) of colour ones (N, 3, H, W), as Pillow's "L" weighs the channels."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=images.device)
    return (images * weights[:, None, None]).sum(1, keepdim=True)


def sample_of(dataset: Dataset, images: int = SAMPLED_IMAGES, seed: int = 0) -> Sample:
    """A sample of the train split, each class in its proportion, and at least as many of it as there are folds.

    Raises DataError where fewer than two classes have enough readable images for that.
    """
    train = dataset.split("train")
    counts = np.bincount(train.labels, minlength=len(dataset.classes))
    enough = np.flatnonzero(counts >= FOLDS)
    kept = enough[np.unique(np.linspace(0, len(enough) - 1, SAMPLED_CLASSES).astype(int))] if len(enough) else enough
    side = min(dataset.size) if min(dataset.size) <= SMALL_SIDE else LARGE_SIDE
    share = min(1.0, images / max(1, int(counts[kept].sum())))
    generator = np.random.default_rng(seed)
    pictures, labels, taken, folds, shorter = [], [], [], [], []
    for label in kept.tolist():
        rows = np.flatnonzero(train.labels == label)
        number = min(len(rows), max(FOLDS, round(share * len(rows))))
        for place, row in enumerate(generator.choice(rows, number, replace=False).tolist()):
            with suppress(DataError, OSError):  # training says which files have gone
                picture = train.images[row]
                shorter.append(min(picture.shape[:2]))
                pictures.append(_square(picture, side))
                labels.append(label)
                taken.append(row)
                folds.append(place % FOLDS)
    names, found = np.unique(np.array(labels, np.int64), return_inverse=True)
    if len(names) < 2:
        raise DataError(f"{dataset.name}: fewer than two classes have {FOLDS} readable training images to learn from")
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    classes = tuple(dataset.classes[name] for name in names)
    return Sample(
        stacked.contiguous(),
        found.astype(np.int64),
        np.array(taken, np.int64),
        np.array(folds, np.int64),
        classes,
        int(counts[names].sum()),
        int(np.median(shorter)),
    )


def _square(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The largest middle square of (H, W, 3), antialiased to `side` pixels."""
    height, width = picture.shape[:2]
    whole = min(height, width)
    top, left = (height - whole) // 2, (width - whole) // 2
    square = picture[top : top + whole, left : left + whole]
    if whole == side:
        return square
    return np.asarray(Image.fromarray(square).resize((side, side), Image.Resampling.BILINEAR))
