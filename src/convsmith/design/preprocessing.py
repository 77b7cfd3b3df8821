"""What the training images say about preprocessing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from convsmith.data.checks.framing import framing_for
from convsmith.data.dataset import SMALL_SIDE, Dataset, InMemory
from convsmith.network.preprocess import Framing, Preprocess
from convsmith.zoo import create

SAMPLED_IMAGES = 1000
"""What mean, standard deviation and the usual size are measured on."""

SMALLEST_VARIANCE = 1e-4
"""Of values in 0..1, so that nothing is divided by zero."""

LARGEST_SIDE = 128
"""Pixels. Photographs are brought to this side at most: training from scratch on two cores has no use for more."""

RESIZE = 256 / 224
"""The shorter side before the crop, as a multiple of the crop: the field's 256 to 224."""


def preprocess_for(dataset: Dataset, side: int | None = None, framing: Framing | None = None) -> Preprocess:
    """Preprocessing that suits a data set.

    Small images (a shorter side of up to 48 pixels) that are all of one size stay as they are, unless a side or a
    framing is asked for. Others give squares in a framing that suits them (`framing_for`): of `side`, else as in
    `_usual_side`. Crops of more than 48 pixels leave a margin, 1/8 of the shorter side. The ground of padded images is
    the mean colour. One channel if every image is grey. Mean and standard deviation are the training images' own, by
    channel.
    """
    seen = _look_at(dataset)
    of_one_size = isinstance(dataset.split("train").images, InMemory)
    if of_one_size and side is None and framing is None and seen.short <= SMALL_SIDE:
        height, width = dataset.size
        resize = height if height == width else dataset.size
        return Preprocess(dataset.channels, dataset.size, resize, seen.mean, seen.std)
    framing = framing or framing_for(dataset).framing
    side = side or _usual_side(seen, framing)
    margin = RESIZE if side > SMALL_SIDE else 1
    return Preprocess(dataset.channels, (side, side), round(side * margin), seen.mean, seen.std).framed(framing)


def _usual_side(seen: _Seen, framing: Framing) -> int:
    """The side of the square that holds about a picture's pixels: cropped, the median shorter side; squashed, the root
    of its area; padded, the longer side. Above 48 pixels rounded down to a multiple of 32, 128 at most."""
    side = {"crop": seen.short, "squash": round(math.sqrt(seen.short * seen.long)), "pad": seen.long}[framing]
    return side if side <= SMALL_SIDE else max(32, min(LARGEST_SIDE, side // 32 * 32))


def with_channels(preprocess: Preprocess, channels: int) -> Preprocess:
    """The same for images in grey (1) or in colour (3), with the mean and deviation of all channels."""
    if len(preprocess.mean) == channels:
        return replace(preprocess, channels=channels)
    mean, std = (sum(values) / len(values) for values in (preprocess.mean, preprocess.std))
    return replace(preprocess, channels=channels, mean=(round(mean, 4),) * channels, std=(round(std, 4),) * channels)


def own_side(model: str, size: tuple[int, int]) -> int | None:
    """The side of the named network's own input, if that is made for small images and these are not larger.

    LeNet-5's input is 32 pixels for digits of 28, so that strokes at the edge reach the middle of a filter (LeCun et
    al. 1998, section II.B). None: the images keep their size. Raises UnknownNameError.
    """
    own = min(create(model).input[1:])
    return own if min(size) <= own <= SMALL_SIDE else None


def _spread(count: int, most: int = SAMPLED_IMAGES) -> list[int]:
    """Rows of a split, evenly spread."""
    rows: list[int] = np.linspace(0, count - 1, min(most, count)).astype(int).tolist()
    return rows


class _Seen(NamedTuple):
    """The median shorter and longer side in pixels; mean and standard deviation by channel of values in 0..1."""

    short: int
    long: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


def _look_at(dataset: Dataset) -> _Seen:
    """What evenly spread training images have in common."""
    train = dataset.split("train")
    sums, squares, count, sides = np.zeros(3), np.zeros(3), 0, []
    for index in _spread(len(train)):
        image = train.images[index]
        sides.append(sorted(image.shape[:2]))
        values = image.reshape(-1, 3) / 255
        sums, squares, count = sums + values.sum(0), squares + (values**2).sum(0), count + len(values)
    mean = sums / count
    std = np.sqrt(np.maximum(squares / count - mean**2, SMALLEST_VARIANCE))
    short, long = np.median(sides, axis=0)
    return _Seen(
        int(short),
        int(long),
        tuple(round(float(value), 4) for value in mean[: dataset.channels]),
        tuple(round(float(value), 4) for value in std[: dataset.channels]),
    )
