"""Whether a changed image still belongs to its class, by what images look like rather than what classes are called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import product
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from convsmith.data.augment.trivial import OPERATIONS, UNSIGNED, Operation
from convsmith.data.dataset import Dataset
from convsmith.data.images import read_reduced
from convsmith.errors import DataError

ChangeName = Literal["mirror", "turn", "colour"]
"""What may be done to training images: left and right exchanged; turned by up to 135 degrees or sheared; brightness,
contrast and colours changed. The last two are what TrivialAugment does."""

SAMPLED_IMAGES = 1000
"""As many images are compared with each other: a second or two of work."""

TURNED_IMAGES = 500
"""As many of them are turned: each is compared at many angles and shifts."""

SIDE = 16
"""Pixels to which images are brought for that: what tells classes apart by their side is coarse."""

READ_SIDE = 64
"""Pixels to which a JPEG may be reduced before."""

MAX_SHIFT = 6
"""Of these pixels, to either side."""

TURNS = (45, 90, 135)
"""Degrees, to the one side and to the other."""

TURN_SHIFTS = (-4, -2, 0, 2, 4)
"""What an image is shifted by, across and down, before it is compared with turned ones."""

STRENGTHS = (0.5, 1.0)
"""Of TrivialAugment's changes of colour: half of the strongest, and that."""

MIN_IMAGES = 5
"""Of a class, below which nothing can be said of it."""

UNLIKE_SHARE = 0.1
"""Of a class's images: those that are least like any other image. What is less like them is none of the class."""

TOLD_SHARE = 0.75
"""Of a class's images: those that have their nearest neighbour by colour in it, where colours tell it from others."""

EXCHANGED_SHARE = 0.4
"""Of the images of each of two classes: if a change brings more of them to the other, it exchanges the two."""

WORDS: dict[ChangeName, tuple[str, str]] = {
    "mirror": ("mirroring", "mirrored"),
    "turn": ("turning", "turned"),
    "colour": ("changing colours", "recoloured"),
}

Floats = NDArray[np.float64]

Compared = tuple[Floats, Iterator[tuple[Floats, Floats]]]
"""How alike (N, N) images are with each other; and changed ones with them, for each change and its inverse."""


@dataclass(frozen=True)
class Exchange:
    """Two classes that a change exchanges: the share of the images of `one` that have their nearest neighbour in
    `other` once they are `changed`, and of those that have it `as_they_are`; on average of both ways."""

    change: ChangeName
    one: str
    other: str
    changed: float
    as_they_are: float

    def __str__(self) -> str:
        doing, done = WORDS[self.change]
        return (
            f"{doing} exchanges {self.one!r} and {self.other!r}: the images most alike are of the other class for "
            f"{self.changed:.0%} of the {done} images, and for {self.as_they_are:.0%} as they are"
        )


@lru_cache(maxsize=3)  # a recipe asks, and what tells of the run asks again
def exchanged_classes(dataset: Dataset, change: ChangeName) -> Exchange | None:
    """The two classes that a change exchanges most, by the nearest neighbours of training images; None if there are
    none.

    Small copies are compared: for mirroring and turning by the correlation of their grey values, for colours by the
    distribution of these. Turn signs, arrows and left hands are found so, and day and night. Classes that only look one
    way by chance are not, because their changed images go to no class in particular. The one class must go to the other
    by the change, and come back by its inverse.
    """
    images, labels = _sampled(dataset)
    if change == "turn":
        some = np.random.default_rng(0).permutation(len(labels))[:TURNED_IMAGES]
        images, labels = images[some], labels[some]
    counts = np.bincount(labels, minlength=len(dataset.classes))
    known = counts >= MIN_IMAGES
    if known.sum() < 2:
        return None
    as_they_are, pairs = {"mirror": _mirrored, "turn": _turned, "colour": _recoloured}[change](images)
    before = _confusions(as_they_are, labels, counts)
    members = None
    if change == "colour":
        # Only some strengths are tried, and another one may be what brings an image as near as members of a class are;
        # instead, the classes must be told apart by their colours.
        known &= np.diag(before) >= TOLD_SHARE
    else:
        members = _least_alike(as_they_are, labels, counts)
    found: Exchange | None = None
    for there, back in pairs:
        after, returned = (_confusions(alike, labels, counts, members) for alike in (there, back))
        both_ways = np.minimum(after - before, (returned - before).T)
        both_ways[~known], both_ways[:, ~known] = 0, 0
        np.fill_diagonal(both_ways, 0)
        one, other = np.unravel_index(both_ways.argmax(), both_ways.shape)
        share = float((after[one, other] + returned[other, one]) / 2)
        if both_ways[one, other] > EXCHANGED_SHARE and (found is None or share > found.changed):
            was = float((before[one, other] + before[other, one]) / 2)
            found = Exchange(change, dataset.classes[one], dataset.classes[other], share, was)
    return found


@lru_cache(maxsize=1)
def _sampled(dataset: Dataset) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Small copies (N, SIDE, SIDE, 3) of training images spread evenly over the split, and their labels."""
    train = dataset.split("train")
    rows = np.unique(np.linspace(0, len(train) - 1, min(SAMPLED_IMAGES, len(train))).astype(int))
    small, kept = [], []
    for row in rows.tolist():
        with suppress(DataError, OSError):  # training says which files have gone
            image = Image.fromarray(read_reduced(train.images, row, (READ_SIDE, READ_SIDE)))
            small.append(np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX)))
            kept.append(row)
    return np.array(small, np.uint8).reshape(-1, SIDE, SIDE, 3), train.labels[kept]


def _mirrored(images: NDArray[np.uint8]) -> Compared:
    """At the best sideways shift: what stands left of the middle stands right of it in the mirror."""
    grey = _grey(images)
    shifts = [(0, across) for across in range(-MAX_SHIFT, MAX_SHIFT + 1)]
    mirrored = _alike(grey[:, :, ::-1], grey, shifts)
    return _alike(grey, grey, shifts), iter([(mirrored, mirrored)])


def _turned(images: NDArray[np.uint8]) -> Compared:
    """At the best shift to any side."""
    grey = _grey(images)
    shifts = list(product(TURN_SHIFTS, TURN_SHIFTS))

    def by(degrees: int) -> Floats:
        return _alike(np.stack([_rotated(image, degrees) for image in grey]), grey, shifts)

    return _alike(grey, grey, shifts), ((by(degrees), by(-degrees)) for degrees in TURNS)


def _recoloured(images: NDArray[np.uint8]) -> Compared:
    """By the distribution of the values of each channel."""
    plain = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    known = _values(plain)

    def by(operation: Operation, amount: float) -> Floats:
        return _near(_values(operation(plain, torch.full((len(plain), 1, 1, 1), amount)).clamp(0, 255)), known)

    def pairs() -> Iterator[tuple[Floats, Floats]]:
        for operation, strength in product(OPERATIONS, STRENGTHS):
            changed = by(operation, strength)
            yield changed, changed if operation in UNSIGNED else by(operation, -strength)

    return _near(known, known), pairs()


def _grey(images: NDArray[np.uint8]) -> Floats:
    return np.asarray(images @ np.array([0.299, 0.587, 0.114]))


def _rotated(image: Floats, degrees: int) -> Floats:
    ground = float(image.mean())
    turned = Image.fromarray(image.astype(np.float32)).rotate(degrees, Image.Resampling.BILINEAR, fillcolor=ground)
    return np.asarray(turned, np.float64)


def _alike(images: Floats, others: Floats, shifts: list[tuple[int, int]]) -> Floats:
    """The correlation (N, N) of each image with each other one, at the shift (down, across) at which it is highest."""
    fixed = _normalized(others).T
    shifted = (_normalized(np.roll(images, shift, axis=(1, 2))) @ fixed for shift in shifts)
    return reduce(np.maximum, shifted)


def _normalized(images: Floats) -> Floats:
    """(N, pixels) whose products are correlations."""
    flat = images.reshape(len(images), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    norms: Floats = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(norms, 1e-9))


def _values(images: torch.Tensor) -> Floats:
    """(N, 33): the tenths of the values of each channel."""
    tenths = np.quantile(images.flatten(2).numpy(), np.linspace(0, 1, 11), axis=2)
    return np.asarray(np.moveaxis(tenths, 0, 2).reshape(len(images), -1), np.float64)


def _near(values: Floats, others: Floats) -> Floats:
    """Minus the squared distance (N, N)."""
    return np.asarray(2 * values @ others.T - (values**2).sum(1)[:, None] - (others**2).sum(1)[None])


def _confusions(
    alike: Floats, labels: NDArray[np.int64], counts: NDArray[np.int64], least: Floats | None = None
) -> Floats:
    """(K, K): of the images of each class, the shares whose nearest neighbour, but for themselves, is of each class.

    Neighbours that are less alike than `least` (K,) of their class do not count.
    """
    nearest, likeness = _neighbours(alike)
    near = np.ones(len(labels), bool) if least is None else likeness >= least[labels[nearest]]
    found = np.zeros((len(counts), len(counts)))
    np.add.at(found, (labels[near], labels[nearest[near]]), 1)
    return np.asarray(found / np.maximum(counts, 1)[:, None])


def _least_alike(alike: Floats, labels: NDArray[np.int64], counts: NDArray[np.int64]) -> Floats:
    """(K,): how alike the images of each class are with their neighbours, but for the `UNLIKE_SHARE` that is least."""
    _, likeness = _neighbours(alike)
    members = [likeness[labels == label] for label in range(len(counts))]
    return np.array([np.quantile(found, UNLIKE_SHARE) if len(found) else np.inf for found in members])


def _neighbours(alike: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The place of each image's nearest neighbour, but for itself, and how alike they are, (N,) each."""
    others = alike.copy()
    np.fill_diagonal(others, -np.inf)
    nearest = others.argmax(axis=1)
    return nearest, others[np.arange(len(others)), nearest]
