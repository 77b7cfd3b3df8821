"""What the training images say about preprocessing."""

from __future__ import annotations

import numpy as np

from convsmith.data.dataset import SMALL_SIDE, Dataset
from convsmith.network.preprocess import Preprocess
from convsmith.zoo import create

SAMPLED = 1000
"""Images that mean and standard deviation are measured on."""

LARGEST_SIDE = 128
"""Photographs are brought to this side at most: training from scratch on two cores has no use for more."""

RESIZE = 256 / 224
"""The shorter side before the crop, as a multiple of the crop: the field's 256 to 224."""


def preprocess_for(dataset: Dataset, side: int | None = None) -> Preprocess:
    """Preprocessing that suits a data set.

    Small images (up to 48 pixels) stay as they are. Larger ones are resized and cropped to a square of `side`, or of
    the median shorter side rounded down to a multiple of 32, 128 at most. One channel if every image is grey. Mean
    and standard deviation are the training images' own, by channel.
    """
    height, width = dataset.size
    short = min(height, width)
    if side is None and short <= SMALL_SIDE:
        crop, resize = (height, width), short
    else:
        side = side or max(32, min(LARGEST_SIDE, short // 32 * 32))
        crop, resize = (side, side), round(side * RESIZE) if side > SMALL_SIDE else side
    mean, std = _statistics(dataset)
    return Preprocess(dataset.channels, crop, resize, mean, std)


def own_side(model: str, size: tuple[int, int]) -> int | None:
    """The side of the named network's own input, if that is made for small images and these are not larger.

    LeNet-5's input is 32 pixels for digits of 28, so that strokes at the edge reach the middle of a filter (LeCun et
    al. 1998, section II.B). None: the images keep their size. Raises UnknownNameError.
    """
    own = min(create(model).input[1:])
    return own if min(size) <= own <= SMALL_SIDE else None


def _statistics(dataset: Dataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation by channel of values in 0..1, over evenly spread training images."""
    train = dataset.split("train")
    chosen = np.linspace(0, len(train) - 1, min(SAMPLED, len(train))).astype(int)
    sums, squares, count = np.zeros(3), np.zeros(3), 0
    for index in chosen:
        values = train.images[int(index)].reshape(-1, 3) / 255
        sums, squares, count = sums + values.sum(0), squares + (values**2).sum(0), count + len(values)
    mean = sums / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 1e-4))
    channels = dataset.channels
    return tuple(round(float(v), 4) for v in mean[:channels]), tuple(round(float(v), 4) for v in std[:channels])
