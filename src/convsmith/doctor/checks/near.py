"""Pictures that are one picture: recompressed, resized, brighter or darker, or shifted by a pixel.

Candidates are nearest neighbours by their spectra, which a shift leaves as they are; whether two are one picture is
decided on pixels. Of two images the best shift by a pixel and the best blur of either are found, then how far they
correlate, in all and in fine detail alone, where different pictures of one kind of thing differ. Both must be high, and
the two be much nearer to each other than either is to the rest of its surroundings: of a thousand pairs of trousers,
many are nearly alike.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from convsmith.data.dataset import SMALL_SIDE
from convsmith.doctor.checks.neighbours import neighbours
from convsmith.doctor.subject import Subject
from convsmith.doctor.thumbnails import SIDE, in_threads, pixels_of
from convsmith.errors import DataError

CANDIDATES = 3
"""Neighbours of each image that are looked at closely."""

SURROUNDINGS = 6
"""Which neighbour says how near images are to each other here: copies of one picture are rarely more."""

FREQUENCIES = 8
"""Of the spectrum, from 0 on, in the descriptor."""

DESCRIBED = 64
"""Principal components of the descriptor."""

SAME, SAME_DETAIL = 0.985, 0.985
"""Correlation of all pixels, and of fine detail, from which two may be one picture. Measured on Fashion-MNIST and
digits, with JPEGs of quality 50 and images resized by 0.75 as the worst copies (`benchmarks/doctor.py`)."""

NEARER = 0.15
"""The share of the distance to the surroundings at which they must be, at most."""

SPARSE = 0.2
"""Surroundings are taken to be no nearer than this share of the usual: of many copies of one picture, each is near."""

HOPEFUL = 0.5
"""The share of the distance at which the descriptor must have two images, for them to be looked at closely."""

CLOSE_SIDE = 128
"""Pixels to which larger images are decoded again for a last look."""

FIRST_SAME, FIRST_DETAIL = 0.98, 0.955
"""As above, for images that get a last look: a thumbnail has less than all of their detail."""

CLOSE_SAME, CLOSE_DETAIL = 0.97, 0.8
"""As above, at that size, where compression and resizing cost more of the detail."""

PAIRS = 2048
"""Compared at a time."""

BLURS = (0.5, 0.8)
"""Pixels (sigma) by which either image may be blurred, as resizing does."""

MARGIN = 2
"""Pixels at the edge that do not count: a shift brings in what was not seen."""


def near_duplicates(subject: Subject, thumbnails: NDArray[np.uint8], exact: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs of rows (P, 2) that show one picture, the first row below the second.

    `exact` int64 (N,) is alike for images that are the same pixel for pixel: of these only the first is compared.
    """
    _, first = np.unique(exact, return_index=True)
    rows = np.sort(first[~subject.constant[first]])
    if len(rows) < 2:
        return np.zeros((0, 2), np.int64)
    grey = _grey(thumbnails, rows)
    found, alike = neighbours(_descriptors(grey), SURROUNDINGS)
    distance = 1 - alike
    around = distance[:, min(SURROUNDINGS, len(rows) - 1) - 1]
    around = np.maximum(around, SPARSE * np.median(around))
    pairs, limit = _candidates(found, distance, around)
    whole, detail = _compared(grey, pairs, _pixel(subject))
    near = 1 - whole <= limit
    if _small(subject):
        return rows[pairs[near & (whole >= SAME) & (detail >= SAME_DETAIL)]]
    pairs = rows[pairs[near & (whole >= FIRST_SAME) & (detail >= FIRST_DETAIL)]]
    return pairs[_close_look(subject, pairs)]


def _grey(thumbnails: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """float32 (N, SIDE, SIDE)."""
    return np.concatenate([thumbnails[part].mean(-1, dtype=np.float32) for part in np.array_split(rows, _parts(rows))])


def _parts(rows: NDArray[Any]) -> int:
    return max(1, len(rows) // PAIRS)


def _descriptors(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit vectors (N, DESCRIBED), nearly the same for brighter, sharper and slightly shifted copies."""
    vectors = torch.cat([_spectrum(torch.from_numpy(part)) for part in np.array_split(grey, _parts(grey))])
    vectors = F.normalize(vectors - vectors.mean(0), dim=1)
    _, axes = torch.linalg.eigh(vectors.T @ vectors)
    return F.normalize(vectors @ axes[:, -DESCRIBED:], dim=1).numpy()


def _spectrum(grey: Tensor) -> Tensor:
    """Amplitudes of the lower frequencies, (N, D), each image's of length 1: a shift changes phases alone."""
    waves = torch.fft.rfft2(grey - grey.mean((1, 2), keepdim=True)).abs()
    low = torch.cat([waves[:, :FREQUENCIES, :FREQUENCIES], waves[:, 1 - FREQUENCIES :, :FREQUENCIES]], 1)
    return F.normalize(low.flatten(1), dim=1)


def _candidates(
    found: NDArray[np.int64], distance: NDArray[np.float32], around: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Pairs of places that the descriptor has near, each once, and how far apart their pixels may be, (P,)."""
    near = (distance[:, :CANDIDATES] <= HOPEFUL * around[:, None]) & (found[:, :CANDIDATES] >= 0)
    one, rank = np.nonzero(near)
    pairs = np.unique(np.sort(np.stack([one, found[one, rank]], 1), axis=1), axis=0).reshape(-1, 2)
    return pairs, NEARER * around[pairs].max(1)


def _compared(
    grey: NDArray[np.float32], pairs: NDArray[np.int64], pixel: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`likeness` of pairs of places, part by part."""
    whole, detail = np.zeros((2, len(pairs)), np.float32)
    for start in range(0, len(pairs), PAIRS):
        here = slice(start, start + PAIRS)
        one, other = (torch.from_numpy(grey[pairs[here, side]])[:, None] for side in (0, 1))
        whole[here], detail[here] = likeness(one, other, pixel)
    return whole, detail


def likeness(one: Tensor, other: Tensor, pixel: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How far images (P, 1, S, S) correlate, each with the one at its place, in all and in fine detail, both (P,).

    At the shift of `other` by `pixel` or not at all, and the blur of either, at which they do most.
    """
    shifts = list(product((0.0, -pixel, pixel), repeat=2)) if pixel else [(0.0, 0.0)]
    moved = torch.stack([_moved(other, *shift) for shift in shifts])
    best = torch.stack([_correlation(one, each) for each in moved]).argmax(0)
    other = moved[best, torch.arange(len(one))]
    lefts, rights = [one], [other]
    for sigma in BLURS:
        lefts += [_blurred(one, sigma), one]
        rights += [other, _blurred(other, sigma)]
    found = torch.stack([_correlation(left, right) for left, right in zip(lefts, rights, strict=True)])
    chosen, places = found.argmax(0), torch.arange(len(one))
    left, right = (torch.stack(versions)[chosen, places] for versions in (lefts, rights))
    return found[chosen, places].numpy(), _correlation(_detail(left), _detail(right)).numpy()


def _moved(images: Tensor, down: float, across: float) -> Tensor:
    if not down and not across:
        return images
    side = images.shape[-1]
    theta = torch.tensor([[1.0, 0.0, 2 * across / side], [0.0, 1.0, 2 * down / side]]).expand(len(images), 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    moved: Tensor = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return moved


def _correlation(one: Tensor, other: Tensor) -> Tensor:
    """(P,); 0 where either shows nothing."""
    inner = slice(MARGIN, -MARGIN)
    left, right = (images[..., inner, inner].flatten(1) for images in (one, other))
    left, right = left - left.mean(1, keepdim=True), right - right.mean(1, keepdim=True)
    found: Tensor = (left * right).sum(1) / (left.norm(dim=1) * right.norm(dim=1)).clamp_min(1e-3)
    return found


def _blurred(images: Tensor, sigma: float) -> Tensor:
    reach = int(3 * sigma + 0.5)
    weights = torch.exp(-((torch.arange(-reach, reach + 1) / sigma) ** 2) / 2)
    weights = (weights / weights.sum()).view(1, 1, 1, -1)
    across = F.conv2d(F.pad(images, (reach, reach, 0, 0), "replicate"), weights)
    return F.conv2d(F.pad(across, (0, 0, reach, reach), "replicate"), weights.transpose(2, 3))


def _detail(images: Tensor) -> Tensor:
    """What lies between two blurs: edges and texture, without the finest noise."""
    return _blurred(images, 0.6) - _blurred(images, 1.6)


def _small(subject: Subject) -> bool:
    return float(np.median(subject.sizes.min(1))) <= SMALL_SIDE


def _pixel(subject: Subject) -> float:
    """A pixel of a usual image, in pixels of a thumbnail; 0 where that is too little to see."""
    pixel = SIDE / float(np.median(subject.sizes.min(1)))
    return pixel if pixel > 0.4 else 0.0


def _close_look(subject: Subject, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which pairs are one picture at CLOSE_SIDE too."""
    same = np.zeros(len(pairs), np.bool_)
    for start in range(0, len(pairs), PAIRS // 16):
        part = pairs[start : start + PAIRS // 16]
        one, other = (_close(subject, part[:, side]) for side in (0, 1))
        whole, detail = likeness(one, other, CLOSE_SIDE / float(np.median(subject.sizes.min(1))))
        same[start : start + len(part)] = (whole >= CLOSE_SAME) & (detail >= CLOSE_DETAIL)
    return same


def _close(subject: Subject, rows: NDArray[np.int64]) -> Tensor:
    """float32 (P, 1, CLOSE_SIDE, CLOSE_SIDE), grey; nothing of images that have gone."""
    looked = list(in_threads(lambda row: _close_one(subject, row), rows.tolist()))
    return torch.from_numpy(np.stack(looked))[:, None]


def _close_one(subject: Subject, row: int) -> NDArray[np.float32]:
    try:
        pixels = pixels_of(subject.images, row, (CLOSE_SIDE, CLOSE_SIDE))
    except (DataError, OSError):
        return np.zeros((CLOSE_SIDE, CLOSE_SIDE), np.float32)
    image = Image.fromarray(pixels).convert("L").resize((CLOSE_SIDE, CLOSE_SIDE), Image.Resampling.BILINEAR)
    return np.asarray(image, np.float32)
