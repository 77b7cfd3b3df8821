"""The corruptions that are blur. Lengths are those for pictures of 224 pixels; for others they are in proportion."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from convsmith.evaluation.corruption.noise import Picture
from convsmith.evaluation.corruption.pixels import image_of, picture_of, scale_of

ZOOMS = ((0.11, 0.01), (0.16, 0.01), (0.21, 0.02), (0.26, 0.02), (0.31, 0.03))
"""By severity, where the zoom ends above 1, and its steps."""


def defocus_blur(picture: Picture, severity: int, random: np.random.Generator) -> Picture:
    """Out of focus: each point is a disk."""
    radius = (3, 4, 6, 8, 10)[severity - 1] * scale_of(picture)
    reach = math.ceil(radius)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = np.clip(radius + 0.5 - np.hypot(rows, columns), 0, 1)  # a pixel at the rim counts in part
    return convolved(picture, disk / disk.sum(), "reflect")


def glass_blur(picture: Picture, severity: int, random: np.random.Generator) -> Picture:
    """Frosted glass: every pixel is one from its neighbourhood.

    The original swaps each pixel in turn with one near it, which is slow in Python. By that, a pixel is moved twice on
    average: once in its turn, once in another's.
    """
    from scipy.ndimage import gaussian_filter  # type: ignore[import-untyped]

    sigma, reach, times = ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2))[severity - 1]
    scale = scale_of(picture)
    around = (sigma * scale, sigma * scale, 0)
    furthest = (reach + 0.5) * scale
    found = gaussian_filter(picture, around)
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    for _ in range(2 * times):
        down, across = np.rint(random.uniform(-furthest, furthest, (2, height, width))).astype(np.int64)
        found = found[np.clip(rows + down, 0, height - 1), np.clip(columns + across, 0, width - 1)]
    blurred: Picture = gaussian_filter(found, around)
    return blurred


def motion_blur(picture: Picture, severity: int, random: np.random.Generator) -> Picture:
    """A moving camera, at an angle within 45 degrees of the horizontal."""
    radius, sigma = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[severity - 1]
    return moved(picture, radius, sigma, random.uniform(-45, 45))


def zoom_blur(picture: Picture, severity: int, random: np.random.Generator) -> Picture:
    """A camera that moves towards its subject: the mean of enlargements of the middle."""
    from PIL import Image

    end, step = ZOOMS[severity - 1]
    image = image_of(picture)
    zooms = np.arange(1, 1 + end, step)
    total = picture.copy()
    for zoom in zooms:
        left, top = image.width * (1 - 1 / zoom) / 2, image.height * (1 - 1 / zoom) / 2
        box = (left, top, image.width - left, image.height - top)
        total += picture_of(image.resize(image.size, Image.Resampling.BILINEAR, box))
    return total / np.float32(len(zooms) + 1)


def moved(picture: Picture, radius: int, sigma: float, angle: float) -> Picture:
    """A picture that moved along a line while it was taken, seen less the longer ago: half a Gaussian of weights.

    `radius` and `sigma` are in pixels of a picture of 224, `angle` in degrees from the horizontal.
    """
    scale = scale_of(picture)
    taps = 2 * max(1, round(radius * scale)) + 1
    weights = np.exp(-0.5 * (np.arange(taps) / max(sigma * scale, 1e-3)) ** 2)
    kernel = np.zeros((2 * taps - 1, 2 * taps - 1))
    direction = math.radians(angle)
    for step, weight in enumerate(weights):
        row, column = round(step * math.sin(direction)), round(step * math.cos(direction))
        kernel[taps - 1 - row, taps - 1 - column] += weight
    return convolved(picture, kernel / kernel.sum(), "edge")


def convolved(picture: Picture, kernel: NDArray[np.float64], border: str) -> Picture:
    """Each channel with a kernel of odd sides; `border` is how `numpy.pad` continues the picture."""
    from scipy.signal import oaconvolve  # type: ignore[import-untyped]

    reach = kernel.shape[0] // 2
    if border == "reflect" and reach >= min(picture.shape[:2]):
        border = "symmetric"
    padded = np.pad(picture, ((reach, reach), (reach, reach), (0, 0)), border)  # type: ignore[call-overload]
    result: Picture = oaconvolve(padded, kernel[..., None], "valid", axes=(0, 1)).astype(np.float32)
    return result
