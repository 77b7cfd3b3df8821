"""The corruptions of cameras, editors and files: contrast, warping, pixels and compression."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from convsmith.evaluation.corruption.noise import Picture
from convsmith.evaluation.corruption.pixels import image_of, picture_of

WARP = 0.01
"""Deviation of the Gaussian that smooths a warp, as a share of the side."""

WARP_DEVIATION = 3.635e-4
"""Of a warp of strength 1, as a share of the side: uniform noise of 0.005 of 224 pixels after that Gaussian."""


def contrast(picture: Picture, severity: int, random: np.random.Generator) -> Picture:
    """Each channel nearer to its mean."""
    kept = np.float32((0.4, 0.3, 0.2, 0.1, 0.05)[severity - 1])
    mean: Picture = picture.mean(axis=(0, 1), keepdims=True)
    changed: Picture = (picture - mean) * kept + mean
    return changed


def elastic_transform(picture: Picture, severity: int, random: np.random.Generator) -> Picture:
    """Small parts stretched and squeezed (Simard et al. 2003); strengths as in Michaelis et al. 2019, whose severities
    are in order, which the first ones were not."""
    from scipy.ndimage import gaussian_filter, map_coordinates  # type: ignore[import-untyped]

    strength = (12.5, 16.25, 21.25, 25.0, 30.0)[severity - 1]
    height, width = picture.shape[:2]
    fields = random.uniform(-1, 1, (2, height, width))
    smooth = gaussian_filter(fields, (0, WARP * height, WARP * width))
    smooth *= strength * WARP_DEVIATION * height / max(float(smooth.std()), 1e-12)
    places = np.mgrid[:height, :width] + smooth
    warped = [map_coordinates(picture[..., c], places, order=1, mode="reflect") for c in range(picture.shape[2])]
    return np.stack(warped, axis=2)


def pixelate(picture: Picture, severity: int, random: np.random.Generator) -> Picture:
    """Enlarged from few pixels."""
    share = (0.6, 0.5, 0.4, 0.3, 0.25)[severity - 1]
    image = image_of(picture)
    small = image.resize((max(1, int(image.width * share)), max(1, int(image.height * share))), Image.Resampling.BOX)
    return picture_of(small.resize(image.size, Image.Resampling.NEAREST))


def jpeg_compression(picture: Picture, severity: int, random: np.random.Generator) -> Picture:
    """Saved as JPEG of low quality."""
    quality = (25, 18, 15, 10, 7)[severity - 1]
    stream = io.BytesIO()
    image_of(picture).save(stream, "JPEG", quality=quality)
    return picture_of(Image.open(stream))
