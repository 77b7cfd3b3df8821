"""How pictures that are not square should be framed: by where in them lies what tells their classes apart."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convsmith.backend.preprocess import PreprocessModule
from convsmith.data.dataset import Dataset
from convsmith.data.images import read_reduced
from convsmith.errors import DataError
from convsmith.network.preprocess import Framing, Preprocess

SEEN_IMAGES = 100
"""Images whose size is compared with what the network sees of them."""

SAMPLED_IMAGES = 500
"""As many thumbnails are told apart, in each framing: a second of work."""

SIDE = 24
"""Of a thumbnail, in pixels."""

READ_SIDE = 64
"""Pixels to which a JPEG may be reduced before."""

NEARLY_SQUARE = 0.9
"""The shorter side's share of the longer one, on average, from which a crop loses nothing worth a question."""

HALF = 0.5
"""The same share, below which pictures are seen whole unless thumbnails speak for the crop."""

CERTAIN, WORTH = 3.0, 0.05
"""By how many standard deviations, and how much of all images, one framing has to be better than another."""

ALIKE = 1.5
"""Times: if the proportions of most pictures differ by less, squashing distorts them alike."""

RIDGES = (0.01, 0.1, 1.0)
"""Of the classifier, in units of the kernel's mean diagonal; for each framing the best counts."""


@dataclass(frozen=True)
class Framed:
    """The framing that suits a data set. `square` is the share of a picture that its middle square is, on average;
    `told` for each framing the share of thumbnails whose class a simple classifier tells, where one was asked."""

    framing: Framing
    square: float
    told: Mapping[Framing, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """Why: a line for whoever asks what was decided."""
        if not self.told:
            return "the pictures are nearly square"
        cropped = f"{self.told['crop']:.0%} of thumbnails of their middle"
        whole = _WHOLE if self.framing == "crop" else (self.framing,)
        others = " and ".join(f"{self.told[name]:.0%} of {_PAST[name]} ones" for name in whole)
        return (
            f"the middle square is {self.square:.0%} of a picture; a simple classifier tells the class of {cropped}, "
            f"and of {others}"
        )


_WHOLE: tuple[Framing, Framing] = ("squash", "pad")
"""Framings in which pictures are seen whole."""

_PAST: Mapping[Framing, str] = {"crop": "cropped", "squash": "squashed", "pad": "padded"}


@lru_cache(maxsize=1)  # the preprocessing asks, and what tells of the run asks again
def framing_for(dataset: Dataset) -> Framed:
    """The framing that suits the training images.

    Nearly square ones are cropped. Of others, thumbnails in each framing are classified, each by all the rest, with a
    kernel ridge regression on their pixels and edges. If more of the whole pictures are told than of the middle
    squares, beyond chance, pictures are seen whole; likewise without a verdict if the middle is less than half of them.
    They are squashed if their proportions are alike, and padded otherwise, unless thumbnails clearly say the opposite.
    """
    thumbnails, labels, proportions = _sampled(dataset)
    square = float(np.minimum(proportions, 1 / proportions).mean()) if len(proportions) else 1.0
    if square >= NEARLY_SQUARE or len(np.unique(labels)) < 2:
        return Framed("crop", square)
    right = {name: _told(images, labels) for name, images in thumbnails.items()}
    told: dict[Framing, float] = {name: float(each.mean()) for name, each in right.items()}
    low, high = np.quantile(proportions, (0.1, 0.9))
    usual, other = _WHOLE if high < ALIKE * low else _WHOLE[::-1]
    whole = other if _better(right[other], right[usual]) else usual
    crop_suffices = _better(right["crop"], right[whole]) if square < HALF else not _better(right[whole], right["crop"])
    return Framed("crop" if crop_suffices else whole, square, told)


def seen_share(dataset: Dataset, preprocess: Preprocess) -> float:
    """How much of the pictures the network sees in evaluation: the share of the area that the crop leaves, on average.

    0.75 for photographs of 4:3. What tells the classes apart may lie in the rest, as at the ends of wide pictures.
    """
    train, shares = dataset.split("train"), []
    for row in _spread(len(train), SEEN_IMAGES):
        with suppress(DataError, OSError):  # training says which files have gone
            height, width = read_reduced(train.images, row, preprocess.crop).shape[:2]
            shares.append(preprocess.seen(height, width))
    return float(np.mean(shares)) if shares else 1.0


def _spread(count: int, most: int) -> list[int]:
    """Rows of a split, evenly spread."""
    return sorted(set(np.linspace(0, count - 1, min(most, count)).astype(int).tolist()))


def _sampled(dataset: Dataset) -> tuple[dict[Framing, NDArray[np.float64]], NDArray[np.int64], NDArray[np.float64]]:
    """Thumbnails (N, pixels) of training images in each framing, their labels, and their width / height."""
    train = dataset.split("train")
    cropped = Preprocess(3, (SIDE, SIDE), SIDE, (0.5,) * 3, (0.25,) * 3)
    framings = {name: PreprocessModule(cropped.framed(name)) for name in _PAST}
    thumbnails: dict[Framing, list[NDArray[np.float64]]] = {name: [] for name in _PAST}
    kept, proportions = [], []
    for row in _spread(len(train), SAMPLED_IMAGES):
        with suppress(DataError, OSError):
            pixels = read_reduced(train.images, row, (READ_SIDE, READ_SIDE))
            for name, module in framings.items():
                thumbnails[name].append(_features(module(torch.tensor(pixels))[0]))
            kept.append(row)
            proportions.append(pixels.shape[1] / pixels.shape[0])
    arrays = {name: np.array(images).reshape(len(kept), -1) for name, images in thumbnails.items()}
    return arrays, train.labels[kept], np.array(proportions)


def _features(thumbnail: Tensor) -> NDArray[np.float64]:
    """The pixels of (C, h, w), and how far each differs from its neighbours: a border has colour and no texture."""
    grey = thumbnail.mean(dim=0)
    edges = (grey.diff(dim=0).abs(), grey.diff(dim=1).abs())
    return torch.cat([part.flatten() for part in (thumbnail, *edges)]).double().numpy()


def _told(images: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(N,): of which images a classifier that was fitted to all the others tells the class.

    Kernel ridge regression onto one-hot labels: leaving an image out has a closed form (Rasmussen and Williams 2006,
    section 5.4.2). The kernel is Gaussian, as wide as the median distance.
    """
    squares = (images**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares[None] - 2 * images @ images.T, 0)
    kernel = np.exp(-distances / max(float(np.median(distances)), 1e-9))
    targets = (labels[:, None] == np.unique(labels)[None]).astype(np.float64)
    classes = targets.argmax(axis=1)
    best = np.zeros(len(labels), bool)
    for ridge in RIDGES:
        inverse = np.linalg.inv(kernel + ridge * np.eye(len(labels)))
        left_out = targets - inverse @ targets / np.diag(inverse)[:, None]
        right = left_out.argmax(axis=1) == classes
        best = right if right.sum() > best.sum() else best
    return best


def _better(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    """Whether one framing tells more than another, beyond chance: McNemar's test on the same images."""
    gained, lost = int((one & ~other).sum()), int((other & ~one).sum())
    more = gained - lost
    return more > WORTH * len(one) and more > CERTAIN * np.sqrt(gained + lost)
