"""The corruptions that are noise (Hendrycks and Dietterich 2019, arXiv 1903.12261, section 3.1).

Pictures are float32 (H, W, C) in 0..1; so is what comes back, but for values outside, which are clipped later.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]


def gaussian_noise(picture: Picture, severity: int, random: np.random.Generator) -> Picture:
    """Low light."""
    deviation = (0.08, 0.12, 0.18, 0.26, 0.38)[severity - 1]
    return picture + np.float32(deviation) * random.standard_normal(picture.shape, np.float32)


def shot_noise(picture: Picture, severity: int, random: np.random.Generator) -> Picture:
    """Few photons: each value is a Poisson count of as many as it would have."""
    photons = (60, 25, 12, 5, 3)[severity - 1]
    return (random.poisson(picture * photons) / photons).astype(np.float32)


def impulse_noise(picture: Picture, severity: int, random: np.random.Generator) -> Picture:
    """Bit errors: a share of the values become 0 or 1."""
    share = (0.03, 0.06, 0.09, 0.17, 0.27)[severity - 1]
    drawn = random.random(picture.shape, np.float32)
    return np.where(drawn < share, (drawn < share / 2).astype(np.float32), picture)
