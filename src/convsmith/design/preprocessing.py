"""What the training images say about preprocessing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from convsmith.data.dataset import SMALL_SIDE, Dataset, InMemory
from convsmith.network.preprocess import Preprocess
from convsmith.zoo import create

SEEN_IMAGES = 100
"""Images whose size is compared with what the network sees of them."""

SAMPLED_IMAGES = 1000
"""What mean, standard deviation and the usual size are measured on."""

SMALLEST_VARIANCE = 1e-4
"""Of values in 0..1, so that nothing is divided by zero."""

LARGEST_SIDE = 128
"""Pixels. Photographs are brought to this side at most: training from scratch on two cores has no use for more."""

RESIZE = 256 / 224
"""The shorter side before the crop, as a multiple of the crop: the field's 256 to 224."""


def preprocess_for(dataset: Dataset, side: int | None = None) -> Preprocess:
    """Preprocessing that suits a data set.

    Small images (a shorter side of up to 48 pixels) that are all of one size stay as they are; of different sizes, they
    give the middle square of their median shorter side. Larger ones are resized and cropped to a square of `side`, or
    of the median shorter side rounded down to a multiple of 32, 128 at most. One channel if every image is grey. Mean
    and standard deviation are the training images' own, by channel.
    """
    seen = _look_at(dataset)
    if side is None and seen.short <= SMALL_SIDE:
        height, width = dataset.size if isinstance(dataset.split("train").images, InMemory) else (seen.short,) * 2
        return Preprocess(
            dataset.channels, (height, width), height if height == width else (height, width), seen.mean, seen.std
        )
    side = side or max(32, min(LARGEST_SIDE, seen.short // 32 * 32))
    resize = round(side * RESIZE) if side > SMALL_SIDE else side
    return Preprocess(dataset.channels, (side, side), resize, seen.mean, seen.std)


def own_side(model: str, size: tuple[int, int]) -> int | None:
    """The side of the named network's own input, if that is made for small images and these are not larger.

    LeNet-5's input is 32 pixels for digits of 28, so that strokes at the edge reach the middle of a filter (LeCun et
    al. 1998, section II.B). None: the images keep their size. Raises UnknownNameError.
    """
    own = min(create(model).input[1:])
    return own if min(size) <= own <= SMALL_SIDE else None


def seen_share(dataset: Dataset, preprocess: Preprocess) -> float:
    """How much of the pictures the network sees in evaluation: the share of the area that the crop leaves, on average.

    0.75 for photographs of 4:3. What tells the classes apart may lie in the rest, as at the ends of wide pictures.
    """
    train = dataset.split("train")
    shares = []
    for index in _spread(len(train), SEEN_IMAGES):
        height, width = preprocess.resized(*train.images[index].shape[:2])
        shares.append(preprocess.crop[0] * preprocess.crop[1] / (height * width))
    return float(np.mean(shares))


def _spread(count: int, most: int = SAMPLED_IMAGES) -> list[int]:
    """Rows of a split, evenly spread."""
    rows: list[int] = np.linspace(0, count - 1, min(most, count)).astype(int).tolist()
    return rows


class _Seen(NamedTuple):
    """The median shorter side in pixels; mean and standard deviation by channel of values in 0..1."""

    short: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


def _look_at(dataset: Dataset) -> _Seen:
    """What evenly spread training images have in common."""
    train = dataset.split("train")
    sums, squares, count, shorter = np.zeros(3), np.zeros(3), 0, []
    for index in _spread(len(train)):
        image = train.images[index]
        shorter.append(min(image.shape[:2]))
        values = image.reshape(-1, 3) / 255
        sums, squares, count = sums + values.sum(0), squares + (values**2).sum(0), count + len(values)
    mean = sums / count
    std = np.sqrt(np.maximum(squares / count - mean**2, SMALLEST_VARIANCE))
    return _Seen(
        int(np.median(shorter)),
        tuple(round(float(value), 4) for value in mean[: dataset.channels]),
        tuple(round(float(value), 4) for value in std[: dataset.channels]),
    )
