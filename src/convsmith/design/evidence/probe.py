"""A small classifier that learns in a second, to be asked what it loses when something is taken from the images.

Whitened patches of the training images are its filters, which no labels shape; what they find is averaged over parts of
the image, and a linear classifier is solved for in closed form (Coates, Lee and Ng 2011, "An Analysis of Single-Layer
Networks in Unsupervised Feature Learning"). It has no learning rate and no epochs, so the same images give the same
answer, and two answers differ only by the images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from convsmith.design.evidence.sample import FOLDS
from convsmith.evaluation.metrics import Interval

FILTERS = 48
POSITIONS = 14
"""Filter positions along a side, about: the stride is chosen so."""

SEEN_PATCHES = 8000
"""Patches that whitening is computed from."""

PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Of the squared weights, for each image. Below, single precision no longer tells which is best."""

BATCH = 256


@dataclass(frozen=True)
class Eye:
    """How a probe looks: filters of `patch` pixels, their answers averaged over `grid` x `grid` parts of the image."""

    patch: int = 5
    grid: int = 3
    filters: int = FILTERS


@dataclass(frozen=True, eq=False)
class Answer:
    """What a probe said of each image of the sample, when that was in none of the parts that it had learned from.

    `predicted` int64 (N,), `labels` int64 (N,).
    """

    predicted: NDArray[np.int64]
    labels: NDArray[np.int64]

    @property
    def right(self) -> NDArray[np.bool_]:
        return np.asarray(self.predicted == self.labels)

    @property
    def accuracy(self) -> Interval:
        return share(self.right)


def share(right: NDArray[np.bool_]) -> Interval:
    """The share of images that are right, with its 95% interval (Wilson 1927)."""
    count, z = len(right), 1.96
    p = float(right.mean())
    middle, spread = p + z * z / (2 * count), z * (p * (1 - p) / count + z * z / (4 * count**2)) ** 0.5
    whole = 1 + z * z / count
    return Interval(p, (middle - spread) / whole, (middle + spread) / whole)


def gain(after: NDArray[np.bool_], before: NDArray[np.bool_]) -> Interval:
    """How much larger the share is of right answers on the same images, with its 95% interval.

    Paired: only images whose answer changes count. Where hardly one does, the rule of three bounds it.
    """
    change = after.astype(float) - before.astype(float)
    value, count = float(change.mean()), len(change)
    half = max(1.96 * float(change.std()) / count**0.5, 3 / count)
    return Interval(value, value - half, value + half)


class Probe:
    """A probe that has looked at all images (N, C, S, S), float32 in 0..1, of labels (N,) in parts `folds` (N,).

    Every answer about an image is of a classifier that has learned from the other parts only.
    """

    def __init__(
        self,
        images: Tensor,
        labels: NDArray[np.int64],
        folds: NDArray[np.int64],
        eye: Eye = Eye(),
    ) -> None:
        self.labels, self.folds, self.eye = labels, folds, eye
        self._look = _Look(images, eye)
        self._own = self._look(images)
        self._targets = torch.from_numpy(labels)
        self._classes = int(labels.max()) + 1

    @property
    def features(self) -> Tensor:
        """What it sees in each image: (N, F), each feature of mean 0 and deviation 1."""
        return (self._own - self._own.mean(0)) / self._own.std(0).clamp_min(1e-6)

    @cached_property
    def answer(self) -> Answer:
        """What it says of the images as they are."""
        return self._asked(lambda fold: self._taught[fold].scores(self._own[self._in(fold)]))

    def asked(self, images: Tensor) -> Answer:
        """What it says of these in the images' place, having learned from the images as they are."""
        seen = self._look(images)
        return self._asked(lambda fold: self._taught[fold].scores(seen[self._in(fold)]))

    def taught(self, images: Tensor) -> Answer:
        """What it says of the images as they are, having learned from these too, which are changed versions of them."""
        seen = self._look(images)

        def scores(fold: int) -> Tensor:
            known = ~self._in(fold)
            classifier = self._classifier(torch.cat([self._own[known], seen[known]]), self._targets[known].repeat(2))
            return classifier.scores(self._own[self._in(fold)])

        return self._asked(scores)

    def after(self, share: float, filters: int | None = None) -> Answer:
        """What it says having learned from this share of the others only, or with its first `filters` filters only."""
        columns = slice(None) if filters is None else self._look.columns(filters)

        def scores(fold: int) -> Tensor:
            rows = torch.nonzero(~self._in(fold)).squeeze(1)
            rows = rows[spread_rows(self.labels[rows.numpy()], share)]
            classifier = self._classifier(self._own[rows][:, columns], self._targets[rows])
            return classifier.scores(self._own[self._in(fold)][:, columns])

        return self._asked(scores)

    @cached_property
    def _taught(self) -> list[_Ridge]:
        return [self._classifier(self._own[~self._in(fold)], self._targets[~self._in(fold)]) for fold in range(FOLDS)]

    def _classifier(self, features: Tensor, targets: Tensor) -> _Ridge:
        return _Ridge(features, targets, self._classes)

    def _in(self, fold: int) -> Tensor:
        return torch.from_numpy(self.folds == fold)

    def _asked(self, scores: Callable[[int], Tensor]) -> Answer:
        predicted = np.zeros(len(self.labels), np.int64)
        for fold in range(FOLDS):
            predicted[self.folds == fold] = scores(fold).argmax(1).numpy()
        return Answer(predicted, self.labels)


def spread_rows(labels: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Rows of the first images of each class, this share of them, at least one."""
    rows = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return np.sort(np.concatenate([each[: max(1, round(share * len(each)))] for each in rows]))


class _Look:
    """Turns images into features by filters that are patches of the first ones it is given."""

    def __init__(self, images: Tensor, eye: Eye) -> None:
        self.patch = min(eye.patch, images.shape[2])
        self.grid = eye.grid
        self.stride = max(1, (images.shape[2] - self.patch + 1) // POSITIONS)
        generator = torch.Generator().manual_seed(0)
        patches = _patches(images, self.patch, generator)
        self.mean = patches.mean(0)
        filters = _whitened(patches - self.mean, eye.filters, generator)
        shape = (-1, images.shape[1], self.patch, self.patch)
        self.kernel, self.bias = filters.reshape(shape), -(filters @ self.mean)
        answers = self._filtered(images[: 2 * BATCH : 2])
        self.threshold = 0.5 * answers.std(dim=(0, 2, 3), keepdim=True)

    def __call__(self, images: Tensor) -> Tensor:
        return torch.cat([self._pooled(images[at : at + BATCH]) for at in range(0, len(images), BATCH)])

    def _filtered(self, images: Tensor) -> Tensor:
        return F.conv2d(images, self.kernel, self.bias, self.stride)

    def _pooled(self, images: Tensor) -> Tensor:
        answers = self._filtered(images)
        both = torch.cat([F.relu(answers - self.threshold), F.relu(-answers - self.threshold)], dim=1)
        return F.adaptive_avg_pool2d(both, self.grid).flatten(1)

    def columns(self, filters: int) -> Tensor:
        """Which features are of the first `filters` filters."""
        count = len(self.kernel)
        of_filter = torch.arange(2 * count).remainder(count).repeat_interleave(self.grid**2)
        return of_filter < filters


def _patches(images: Tensor, patch: int, generator: torch.Generator) -> Tensor:
    """(SEEN_PATCHES, C * patch * patch), from random places, flat ones left out where there are others."""
    count, side = len(images), images.shape[2] - patch + 1
    draw = [torch.randint(0, high, (2 * SEEN_PATCHES,), generator=generator) for high in (count, side, side)]
    windows = images.unfold(2, patch, 1).unfold(3, patch, 1)  # a view: (N, C, side, side, patch, patch)
    found = windows[draw[0], :, draw[1], draw[2]].flatten(1)
    return found[found.var(dim=1).argsort(descending=True)[:SEEN_PATCHES]]


def _whitened(patches: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` random patches in coordinates in which pixels are uncorrelated, as filters on the patches themselves."""
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    whitening = vectors @ torch.diag((values.clamp_min(0) + 0.1 * values.mean()).rsqrt()) @ vectors.T
    chosen = patches[torch.randperm(len(patches), generator=generator)[:count]] @ whitening
    filters: Tensor = F.normalize(chosen, dim=1) @ whitening
    return filters


class _Ridge:
    """Ridge regression of standardised features to one-hot targets, solved in the smaller Gram matrix.

    Of `PENALTIES` it takes the one with the most images right when each is left out in turn, which needs no second
    solution: the hat matrix tells (Allen 1974, "The Relationship between Variable Selection and Data Augmentation").
    """

    def __init__(self, features: Tensor, targets: Tensor, classes: int) -> None:
        self.mean, self.deviation = features.mean(0), features.std(0).clamp_min(1e-6)
        known = (features - self.mean) / self.deviation
        hot = F.one_hot(targets, classes).float()
        self.offset = hot.mean(0)
        hot = hot - self.offset
        dual = len(known) < known.shape[1]
        values, vectors = torch.linalg.eigh(known @ known.T if dual else known.T @ known)
        values = values.clamp_min(0)
        basis = vectors if dual else known @ vectors
        found = basis.T @ hot

        def shrunk(penalty: float) -> Tensor:
            above = values if dual else torch.ones_like(values)
            return above.div(values + penalty * len(known))

        def right(penalty: float) -> int:
            weights = shrunk(penalty)
            own = (basis.square() @ weights)[:, None]
            left_out = (basis @ (weights[:, None] * found) - own * hot) / (1 - own).clamp_min(1e-6)
            return int(((left_out + self.offset).argmax(1) == targets).sum())

        penalty = max(PENALTIES, key=right)
        if dual:
            self.weights = known.T @ (vectors @ (found / (values + penalty * len(known))[:, None]))
        else:
            self.weights = vectors @ (shrunk(penalty)[:, None] * found)

    def scores(self, asked: Tensor) -> Tensor:
        """(M, classes) of features (M, F)."""
        found: Tensor = (asked - self.mean) / self.deviation @ self.weights + self.offset
        return found
