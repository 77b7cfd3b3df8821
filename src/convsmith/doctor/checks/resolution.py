"""How much detail images really hold, whatever their number of pixels; and the mean and deviation of their values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convsmith.doctor.issue import Example, Issue, images
from convsmith.doctor.subject import Subject
from convsmith.doctor.thumbnails import Progress, in_threads, pixels_of
from convsmith.errors import DataError

SAMPLED_IMAGES = 400
"""Images that are decoded in full for this, evenly spread."""

SMALLEST_SIDE = 64
LARGEST_SIDE = 512
"""Pixels of the square out of the middle that is looked at. Below the first, a spectrum says too little."""

ENERGY = 0.98
"""Of the whitened spectrum: what lies above is noise."""

ENLARGED = 0.6
"""The share of the finest frequency below which an image holds no more than one of about half its side. Photographs
that were enlarged twice measure 0.5, sharp ones 0.8 and more."""


@dataclass(frozen=True)
class Measured:
    """Of `sampled` images: `mean` and `std` of values in 0..1 by channel; `resolution`, the median share of the finest
    frequency that holds detail, None for images too small to tell."""

    sampled: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resolution: float | None


@dataclass(frozen=True, eq=False)
class _Look:
    pixels: int
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
    resolution: float | None


def measure(
    subject: Subject, channels: int, progress: Progress = lambda done, total: None
) -> tuple[Measured, list[Issue]]:
    """What evenly spread images hold, decoded in full; and those of them that were enlarged."""
    count = len(subject)
    rows = np.unique(np.linspace(0, count - 1, min(count, SAMPLED_IMAGES)).astype(np.int64)).tolist()
    looks = {}
    for done, (row, look) in enumerate(zip(rows, in_threads(lambda row: _look(subject, row), rows), strict=True)):
        progress(done + 1, len(rows))
        if look is not None:
            looks[row] = look
    pixels = max(1, sum(look.pixels for look in looks.values()))
    mean = sum((look.sums for look in looks.values()), np.zeros(3)) / pixels
    squares = sum((look.squares for look in looks.values()), np.zeros(3)) / pixels
    std = np.sqrt(np.maximum(squares - mean**2, 0))
    known = {row: look.resolution for row, look in looks.items() if look.resolution is not None}
    measured = Measured(
        len(looks),
        tuple(round(float(value), 4) for value in mean[:channels]),
        tuple(round(float(value), 4) for value in std[:channels]),
        round(float(np.median(list(known.values()))), 3) if known else None,
    )
    return measured, list(_enlarged(subject, known))


def resolution_present(pixels: NDArray[np.uint8]) -> float | None:
    """The share, 0 to 1, of the finest frequency that an image (H, W, 3) could hold up to which it holds detail.

    None below 64 pixels, and for an image that shows nothing. Photographs have power falling with the square of the
    frequency (Field 1987, J. Opt. Soc. Am. A 4:2379), so each frequency is weighted by that; what was enlarged or
    blurred has next to nothing in the highest ones.
    """
    height, width = pixels.shape[:2]
    side = min(height, width, LARGEST_SIDE)
    if side < SMALLEST_SIDE:
        return None
    side = 1 << (side.bit_length() - 1)
    top, left = (height - side) // 2, (width - side) // 2
    grey = pixels[top : top + side, left : left + side].mean(-1, dtype=np.float32)
    window = np.hanning(side).astype(np.float32)
    grey = (grey - grey.mean()) * window * window[:, None]
    power = np.abs(np.fft.rfft2(grey)) ** 2
    down, across = np.abs(np.fft.fftfreq(side))[:, None], np.fft.rfftfreq(side)[None]
    ring = np.round(np.hypot(down, across) * side).astype(int).ravel()
    rings = side // 2
    sums = np.bincount(ring, power.ravel(), rings + 1)[1 : rings + 1]
    counts = np.bincount(ring, minlength=rings + 1)[1 : rings + 1]
    whitened = sums / counts * np.arange(1, rings + 1) ** 2
    total = whitened.sum()
    if total <= 0:
        return None
    return float((np.searchsorted(np.cumsum(whitened), ENERGY * total) + 1) / rings)


def _look(subject: Subject, row: int) -> _Look | None:
    try:
        pixels = pixels_of(subject.images, row)
    except (DataError, OSError):
        return None
    flat = pixels.reshape(-1, 3)
    sums = flat.sum(0, dtype=np.int64) / 255
    squares = (
        np.array([np.square(flat[:, channel], dtype=np.uint32).sum(dtype=np.int64) for channel in range(3)]) / 255**2
    )
    return _Look(len(flat), sums, squares, None if subject.constant[row] else resolution_present(pixels))


def _enlarged(subject: Subject, known: dict[int, float]) -> Iterator[Issue]:
    found = sorted((share, row) for row, share in known.items() if share < ENLARGED)
    if not found:
        return
    few = len(found) < len(known) / 2
    sampled = "" if len(known) == len(subject) else f" ({len(known):,} were sampled)"
    yield Issue(
        "enlarged",
        "note",
        f"{images(len(found), 'hold')} less detail than the pixels could: enlarged or blurred{sampled}",
        "They cost the time of large images and say what small ones do."
        + (" Beside sharp ones, sharpness may tell of the source, not of the class." if few else ""),
        "Fetch the originals." if few else "Train at a smaller side: nothing is lost.",
        len(found),
        tuple(Example(subject.name_of(row), row, f"detail up to {share:.0%}") for share, row in found),
    )
