"""How hard the classes are to tell apart: by their neighbours in an embedding, and by their pixels."""

from __future__ import annotations

import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from convsmith.design.evidence.probe import Probe, share
from convsmith.design.evidence.sample import Sample
from convsmith.design.evidence.values import Complexity, Pair
from convsmith.evaluation.metrics import Interval

PAIRS = 5
DIMENSIONS = 64
"""Of the embedding: the directions in which it varies most, of equal weight."""

ALIGNED_PAIRS = 120
ALIGNED_SIDE = 20
"""Pixels at which two images are laid over each other."""

TURNS, SCALES, SHIFTS = (-15.0, 0.0, 15.0), (0.85, 1.0, 1.15), (-2, -1, 0, 1, 2)
RESAMPLES = 200


def complexity_of(sample: Sample, probe: Probe) -> Complexity:
    """Measured on what a probe sees in the sample."""
    start = time.monotonic()
    embedded = _embedded(probe.features)
    distances = torch.cdist(embedded, embedded).fill_diagonal_(float("inf"))
    nearest = distances.argmin(1).numpy()
    wrong = sample.labels[nearest] != sample.labels
    return Complexity(
        share(wrong),
        _pairs(sample, nearest),
        _variation(embedded, sample.labels),
        _deformation(sample),
        "the probe's features",
        len(sample),
        time.monotonic() - start,
    )


def _embedded(features: Tensor) -> Tensor:
    """(N, DIMENSIONS) of length 1: principal components of features (N, F), whitened."""
    left, _, _ = torch.linalg.svd(features - features.mean(0), full_matrices=False)
    return F.normalize(left[:, :DIMENSIONS], dim=1)


def _pairs(sample: Sample, nearest: NDArray[np.int64]) -> tuple[Pair, ...]:
    """The pairs of classes most often each other's neighbours."""
    classes = len(sample.classes)
    counts = np.bincount(sample.labels, minlength=classes)
    found = np.zeros((classes, classes))
    np.add.at(found, (sample.labels, sample.labels[nearest]), 1)
    both = np.triu(found + found.T, 1) / np.maximum(1, counts[:, None] + counts[None, :])
    pairs = []
    for place in both.ravel().argsort()[::-1][:PAIRS]:
        one, other = divmod(int(place), classes)
        if not both[one, other]:
            break
        is_pair = np.isin(sample.labels, (one, other)) & np.isin(sample.labels[nearest], (one, other))
        row = int(np.flatnonzero(is_pair & (sample.labels != sample.labels[nearest]))[0])
        mine, theirs = (row, int(nearest[row])) if sample.labels[row] == one else (int(nearest[row]), row)
        rows = int(sample.rows[mine]), int(sample.rows[theirs])
        pairs.append(Pair(sample.classes[one], sample.classes[other], float(both[one, other]), rows))
    return tuple(pairs)


def _variation(embedded: Tensor, labels: NDArray[np.int64]) -> Interval:
    """Squared distance to the class's mean over that to the mean of all."""
    targets = torch.from_numpy(labels)
    means = torch.zeros(int(targets.max()) + 1, embedded.shape[1]).index_add_(0, targets, embedded)
    means /= torch.bincount(targets)[:, None]
    within = (embedded - means[targets]).square().sum(1).numpy()
    whole = (embedded - embedded.mean(0)).square().sum(1).numpy()
    return _ratio(within, whole)


def _ratio(above: NDArray[np.float32], below: NDArray[np.float32]) -> Interval:
    """The ratio of two means over the same things, with a 95% interval by resampling those."""
    generator = np.random.default_rng(0)
    rows = generator.integers(0, len(above), (RESAMPLES, len(above)))
    ratios = above[rows].mean(1) / np.maximum(below[rows].mean(1), 1e-12)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return Interval(float(above.mean() / max(float(below.mean()), 1e-12)), float(low), float(high))


def _deformation(sample: Sample) -> Interval:
    """How much of the distance between two images of a class the best alignment of one of them takes away."""
    generator = np.random.default_rng(0)
    first = generator.permutation(len(sample))[:ALIGNED_PAIRS]
    second = [generator.choice(np.flatnonzero(sample.labels == sample.labels[row])) for row in first.tolist()]
    small = F.interpolate(sample.grey, (ALIGNED_SIDE, ALIGNED_SIDE), mode="area")
    fixed, moved = small[first], small[np.array(second)]
    plain = (fixed - moved).square().mean((1, 2, 3))
    best = torch.stack([(fixed - each).square().mean((1, 2, 3)) for each in _alignments(moved)]).amin(0)
    kept = _ratio(best.numpy(), plain.numpy())
    return Interval(1 - kept.value, 1 - kept.high, 1 - kept.low)


def _alignments(images: Tensor) -> list[Tensor]:
    """The images turned, scaled and shifted in every way that is tried."""
    versions = []
    for turn in TURNS:
        for scale in SCALES:
            cosine, sine = math.cos(math.radians(turn)) / scale, math.sin(math.radians(turn)) / scale
            theta = torch.tensor([[[cosine, -sine, 0.0], [sine, cosine, 0.0]]]).expand(len(images), 2, 3)
            grid = F.affine_grid(theta, list(images.shape), align_corners=False)
            changed = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
            versions += [changed.roll((down, right), (2, 3)) for down in SHIFTS for right in SHIFTS]
    return versions
