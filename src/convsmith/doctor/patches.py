"""Features that are learned from the images alone, without a label, in seconds: one layer of filters by k-means.

Coates, Ng and Lee 2011, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning" (AISTATS), section 3:
patches are normalized and whitened, k-means finds filters, and their answers are pooled over a grid. The k-means is
that of Coates and Ng 2012, "Learning Feature Representations with K-means", section 2. No label is seen, so a wrong one
cannot hide in the features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

PATCH = 6
"""Pixels of a patch's side; Coates et al. 2011, section 4.4."""

STRIDE = 2
"""Pixels from patch to patch. Every pixel would be a little better and take four times as long (section 4.3)."""

FILTERS = 128
SAMPLED_PATCHES = 40_000
ROUNDS = 10
"""Of k-means: it has settled by then (Coates and Ng 2012, section 2.2)."""

CONTRAST = 10 / 255**2
"""Added to a patch's variance (values in 0..1), so that noise in plain areas is not blown up."""

WHITENING = 0.1
"""Added to the patches' eigenvalues."""

GRID = 4
"""Pooled areas along each side. The paper has 2; strokes and seams want a finer one."""

DIMENSIONS = 256
"""Principal components that are kept of the pooled answers."""

STILL = 1e-5
"""The standard deviation of an answer below which it is the same for all images, and counts for nothing."""

BATCH_IMAGES = 64
"""At a time: few enough for their answers to stay in the cache."""
FITTED_IMAGES = 5_000
"""What filters and components are found on, evenly spread."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class PatchFilters:
    """Filters (K, C, PATCH, PATCH) of normalized patches, and what each answers to their mean, (K,)."""

    weight: Tensor
    offset: Tensor

    def answers(self, images: Tensor) -> Tensor:
        """Pooled answers (N, K * GRID * GRID) to images, float (N, C, H, W) in 0..1.

        A patch is normalized after the filter has seen it, which is the same and takes one convolution: a filter whose
        mean is zero does not see the patch's.
        """
        mean = F.avg_pool2d(images.mean(1, keepdim=True), PATCH, STRIDE)
        square = F.avg_pool2d((images**2).mean(1, keepdim=True), PATCH, STRIDE)
        size = images.shape[1] * PATCH**2
        std = ((square - mean**2).clamp_min(0) * (size / (size - 1)) + CONTRAST).sqrt()
        seen = F.conv2d(images, self.weight - self.weight.mean((1, 2, 3), keepdim=True), stride=STRIDE)
        seen.div_(std).sub_(self.offset.view(1, -1, 1, 1)).relu_()  # in place: fresh memory costs more than the sums
        return F.adaptive_avg_pool2d(seen, GRID).flatten(1)


def patch_features(
    thumbnails: NDArray[np.uint8], *, seed: int = 0, progress: Progress = lambda done, total: None
) -> NDArray[np.float32]:
    """Features (N, D) of small images, uint8 (N, H, W, C), C 1 or 3, H and W at least 8. The seed settles them.

    D is at most DIMENSIONS and at most N. `progress` is told (images done, images in all).
    """
    count = len(thumbnails)
    fitted = thumbnails[np.unique(np.linspace(0, count - 1, min(count, FITTED_IMAGES)).astype(np.int64))]
    values = np.empty((count, min(count, DIMENSIONS)), np.float32)
    with torch.inference_mode():
        filters = _filters(_floats(fitted), np.random.default_rng(seed))
        pooled = torch.cat([filters.answers(batch) for batch in _batches(fitted)])
        mean, std = pooled.mean(0), pooled.std(0, correction=0)
        std[std < STILL] = torch.inf
        components = _components((pooled - mean) / std, values.shape[1]) / std[:, None]
        done = 0
        for batch in _batches(thumbnails):
            values[done : done + len(batch)] = ((filters.answers(batch) - mean) @ components).numpy()
            done += len(batch)
            progress(done, count)
    return values


def _floats(images: NDArray[np.uint8]) -> Tensor:
    """(N, C, H, W) in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255


def _batches(images: NDArray[np.uint8]) -> Iterator[Tensor]:
    for start in range(0, len(images), BATCH_IMAGES):
        yield _floats(images[start : start + BATCH_IMAGES])


def _filters(images: Tensor, random: np.random.Generator) -> PatchFilters:
    """Centroids of whitened patches, as filters that see patches before they are whitened."""
    patches = _patches(images, random)
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(patches.T))
    whitening = vectors @ torch.diag((values.clamp_min(0) + WHITENING).rsqrt()) @ vectors.T
    filters = _centroids((patches - mean) @ whitening, random) @ whitening
    return PatchFilters(filters.view(-1, images.shape[1], PATCH, PATCH), filters @ mean)


def _patches(images: Tensor, random: np.random.Generator) -> Tensor:
    """Normalized patches (n, C * PATCH * PATCH) at random places."""
    _, _, height, width = images.shape
    at = random.integers((len(images), height - PATCH + 1, width - PATCH + 1), size=(SAMPLED_PATCHES, 3))
    windows = images.unfold(2, PATCH, 1).unfold(3, PATCH, 1)
    image, top, left = torch.from_numpy(at).unbind(1)
    patches = windows[image, :, top, left].flatten(1)
    patches -= patches.mean(1, keepdim=True)
    return patches / (patches.var(1, keepdim=True) + CONTRAST).sqrt()


def _centroids(patches: Tensor, random: np.random.Generator) -> Tensor:
    """Unit vectors (FILTERS, n) by k-means with damped updates (Coates and Ng 2012, section 2.1)."""
    start = torch.from_numpy(random.standard_normal((FILTERS, patches.shape[1]))).float()
    centroids = F.normalize(start, dim=1)
    for _ in range(ROUNDS):
        answers = patches @ centroids.T
        nearest = answers.abs().argmax(1)
        weight = answers.gather(1, nearest[:, None])
        centroids = F.normalize(centroids + torch.zeros_like(centroids).index_add_(0, nearest, patches * weight), dim=1)
    return centroids


def _components(centred: Tensor, count: int) -> Tensor:
    """The `count` directions (F, count) in which the features vary most."""
    _, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    chosen: Tensor = vectors[:, -count:].flip(1)
    return chosen
