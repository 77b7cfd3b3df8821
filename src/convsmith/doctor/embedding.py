"""Vectors that lie close together where images show the same: what neighbours, probes and label checks work on.

They come from pretrained weights that are on this machine already, or else from filters that are learned on the spot
from these very images. Nothing is fetched, and it is said which of the two it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import SMALL_SIDE, Images, Split
from convsmith.doctor.patches import patch_features
from convsmith.doctor.thumbnails import pixels_of, thumbnails
from convsmith.evaluation.features import extract
from convsmith.resolve import model_of
from convsmith.transform.side import at_side
from convsmith.weights.at_hand import weights_at_hand
from convsmith.weights.published_weights import PublishedWeights

LOOKED_AT = 50
"""Images whose size and colours decide."""

MOST_GMACS = 1.0
"""Of a pretrained network at its own side; a larger one would take minutes on two cores."""

SMALLEST_SIDE, LARGEST_SIDE = 96, 128
"""Pixels of the side at which images are shown to a pretrained network: below the first, its last stage has too little
left; beyond the second, it tells a little more and takes three times as long."""

SIDE_STEP = 32
"""What a side is a multiple of: the strides of the usual networks."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Embedding:
    """`values` float32 (N, D), a vector for each image; `source` says in words what they are from, and `pretrained`
    whether that was trained elsewhere."""

    values: NDArray[np.float32]
    source: str
    pretrained: bool

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, eq=False)
class ImagesAt:
    """The images at some rows of others, in that order."""

    whole: Images
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """uint8 RGB (H, W, 3). Raises DataError if it cannot be read."""
        return pixels_of(self.whole, int(self.rows[index]))

    def name(self, index: int) -> str:
        return self.whole.name(int(self.rows[index]))


def embed(
    images: Images,
    rows: NDArray[np.int64] | None = None,
    *,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> Embedding:
    """Vectors of the images at `rows`, int64 (N,), by default of all. The same images and seed give the same vectors.

    Colour images, and grey ones of more than 48 pixels, are shown to a pretrained network if one is at hand. Small grey
    ones are nothing like the photographs that it was trained on: filters learned from them tell more. `progress` is
    told (images done, images in all). Raises DataError naming an image that cannot be read.
    """
    chosen = np.arange(len(images)) if rows is None else rows
    short, grey = _look_at(images, chosen)
    pretrained = pretrained_for(short, grey)
    if pretrained is None:
        return learned_embedding(thumbnails(images, chosen.tolist(), progress=progress), seed)
    return _pretrained_embedding(ImagesAt(images, chosen), pretrained)


def learned_embedding(
    small: NDArray[np.uint8], seed: int = 0, *, progress: Progress = lambda done, total: None
) -> Embedding:
    """Vectors of thumbnails, uint8 (N, H, W, C), by filters that are learned from them; see `patch_features`."""
    return Embedding(
        patch_features(small, seed=seed, progress=progress), "filters learned from these images, without labels", False
    )


def _look_at(images: Images, rows: NDArray[np.int64]) -> tuple[int, bool]:
    """The median shorter side in pixels of evenly spread images, and whether all of these are grey."""
    places = np.unique(np.linspace(0, len(rows) - 1, min(LOOKED_AT, len(rows))).astype(np.int64))
    seen = [pixels_of(images, int(row)) for row in rows[places]]
    short = int(np.median([min(pixels.shape[:2]) for pixels in seen])) if seen else 0
    return short, all(bool((pixels == pixels[..., :1]).all()) for pixels in seen)


@dataclass(frozen=True)
class Pretrained:
    """Weights that are at hand, and the side in pixels at which they look at images."""

    weights: PublishedWeights
    file: Path
    side: int

    @property
    def gmacs(self) -> float:
        """Multiply-adds for one image, in G."""
        return self.weights.gmacs * (self.side / self.weights.preprocess.crop[0]) ** 2


def pretrained_for(short: int, grey: bool) -> Pretrained | None:
    """The weights that suit images of this median shorter side in pixels, all of them grey or not; None: none does.

    The most accurate of those that are quick and at hand.
    """
    if grey and short <= SMALL_SIDE:
        return None
    quick = [found for found in weights_at_hand() if found[0].gmacs <= MOST_GMACS]
    if not quick:
        return None
    weights, file = max(quick, key=lambda found: found[0].top1)
    wanted = min(LARGEST_SIDE, max(SMALLEST_SIDE, -(-short // SIDE_STEP) * SIDE_STEP))
    return Pretrained(weights, file, min(wanted, weights.preprocess.crop[0]))


def _pretrained_embedding(images: ImagesAt, pretrained: Pretrained) -> Embedding:
    """The input of the network's classifier."""
    model = model_of(pretrained.file)
    network, preprocess = at_side(model.network, model.preprocess, pretrained.side)
    split = Split(images, np.zeros(len(images), np.int64))
    values = extract(replace(model, network=network, preprocess=preprocess), split)
    return Embedding(values, f"{pretrained.weights.name}, pretrained on ImageNet, at {pretrained.side} pixels", True)
