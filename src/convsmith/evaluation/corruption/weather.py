"""The corruptions that are weather: snow, fog and brightness. The original's frost is made of photographs of frost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convsmith.evaluation.corruption.blur import moved
from convsmith.evaluation.corruption.noise import Picture
from convsmith.evaluation.corruption.pixels import grey_of, scale_of

SNOW = (
    (0.1, 0.3, 3.0, 0.5, 10, 4, 0.8),
    (0.2, 0.3, 2.0, 0.5, 12, 4, 0.7),
    (0.55, 0.3, 4.0, 0.9, 12, 8, 0.7),
    (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
    (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
)
"""By severity: mean and deviation of the noise that flakes are of, their size, the least of it that is one, radius and
sigma of their motion, and the share of the picture that is not whitened."""


def snow(picture: Picture, severity: int, random: np.random.Generator) -> Picture:
    """Flakes that fall, in two layers, over a picture that is whitened."""
    mean, deviation, size, least, radius, sigma, kept = SNOW[severity - 1]
    height, width = picture.shape[:2]
    drawn = (mean + deviation * random.standard_normal((height, width))).astype(np.float32)
    flakes = _enlarged(drawn, max(1.0, size * scale_of(picture)))
    flakes = np.where(flakes < least, 0, flakes).clip(0, 1)[..., None]
    layer = moved(flakes, radius, sigma, random.uniform(-135, -45)).clip(0, 1)
    white = np.maximum(picture, grey_of(picture) * 1.5 + 0.5)
    snowy: Picture = np.float32(kept) * picture + np.float32(1 - kept) * white + layer + layer[::-1, ::-1]
    return snowy


def fog(picture: Picture, severity: int, random: np.random.Generator) -> Picture:
    """A cloud, by the diamond-square algorithm."""
    density, decay = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))[severity - 1]
    height, width = picture.shape[:2]
    cloud = plasma(max(height, width), decay, random)[:height, :width, None]
    highest = picture.max()
    foggy: Picture = (picture + np.float32(density) * cloud) * (highest / (highest + np.float32(density)))
    return foggy


def brightness(picture: Picture, severity: int, random: np.random.Generator) -> Picture:
    """Daylight: the value of hue, saturation and value is raised, so that black becomes grey."""
    raised = np.float32((0.1, 0.2, 0.3, 0.4, 0.5)[severity - 1])
    value = picture.max(axis=2, keepdims=True)
    return np.where(value > 0, picture / np.maximum(value, 1e-6) * np.minimum(value + raised, 1), raised)


def plasma(side: int, decay: float, random: np.random.Generator) -> NDArray[np.float32]:
    """A fractal cloud in 0..1, (S, S) with S the next power of two of `side`.

    With each step, half as long as the last, changes are divided by the square of `decay`.
    """
    size = 1 << (side - 1).bit_length()
    cloud = np.zeros((size, size), np.float32)
    step, change = size, 1.0
    while step > 1:
        half, places = step // 2, size // step

        def mean(*four: NDArray[np.float32]) -> NDArray[np.float32]:
            drawn = random.uniform(-change, change, (places, places))  # noqa: B023
            return (sum(four) / 4 + drawn).astype(np.float32)

        corners = cloud[::step, ::step]
        right = np.roll(corners, -1, axis=1)
        below = np.roll(corners, -1, axis=0)
        middles = mean(corners, right, below, np.roll(right, -1, axis=0))
        cloud[half::step, half::step] = middles
        cloud[::step, half::step] = mean(corners, right, middles, np.roll(middles, 1, axis=0))
        cloud[half::step, ::step] = mean(corners, below, middles, np.roll(middles, 1, axis=1))
        step, change = half, change / decay**2
    cloud -= cloud.min()
    return cloud / max(float(cloud.max()), 1e-12)


def _enlarged(layer: NDArray[np.float32], zoom: float) -> NDArray[np.float32]:
    """The middle of a layer (H, W), enlarged to its size."""
    image = Image.fromarray(layer)
    left, top = image.width * (1 - 1 / zoom) / 2, image.height * (1 - 1 / zoom) / 2
    box = (left, top, image.width - left, image.height - top)
    return np.asarray(image.resize(image.size, Image.Resampling.BILINEAR, box))
