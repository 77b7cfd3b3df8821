"""The common corruptions by name (Hendrycks and Dietterich 2019, arXiv 1903.12261, section 3.1, figure 1).

Fourteen of the fifteen, with the parameters that the authors' code has. The fifteenth, frost, is photographs of frost
laid over a picture. The published ImageNet-C was made with other libraries: the severities are as hard, the pixels are
not the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convsmith.errors import UnknownNameError, UsageError
from convsmith.evaluation.corruption.blur import defocus_blur, glass_blur, motion_blur, zoom_blur
from convsmith.evaluation.corruption.digital import contrast, elastic_transform, jpeg_compression, pixelate
from convsmith.evaluation.corruption.noise import Picture, gaussian_noise, impulse_noise, shot_noise
from convsmith.evaluation.corruption.pixels import as_bytes, floats_of
from convsmith.evaluation.corruption.weather import brightness, fog, snow

SEVERITIES = (1, 2, 3, 4, 5)
SEED = 0


class Corruption(NamedTuple):
    """What kind it is, and what it does to a picture at a severity."""

    kind: str
    apply: Callable[[Picture, int, np.random.Generator], Picture]


CORRUPTIONS = {
    "gaussian_noise": Corruption("noise", gaussian_noise),
    "shot_noise": Corruption("noise", shot_noise),
    "impulse_noise": Corruption("noise", impulse_noise),
    "defocus_blur": Corruption("blur", defocus_blur),
    "glass_blur": Corruption("blur", glass_blur),
    "motion_blur": Corruption("blur", motion_blur),
    "zoom_blur": Corruption("blur", zoom_blur),
    "snow": Corruption("weather", snow),
    "fog": Corruption("weather", fog),
    "brightness": Corruption("weather", brightness),
    "contrast": Corruption("digital", contrast),
    "elastic_transform": Corruption("digital", elastic_transform),
    "pixelate": Corruption("digital", pixelate),
    "jpeg_compression": Corruption("digital", jpeg_compression),
}


def corrupt(image: NDArray[np.uint8], name: str, severity: int, row: int = 0, seed: int = SEED) -> NDArray[np.uint8]:
    """An image, uint8 (H, W, C) with C 1 (grey) or 3 (RGB), corrupted at a severity from 1 to 5.

    What is random is a function of `seed`, the corruption, its severity and `row`, the image's place in its split.
    Raises UnknownNameError, UsageError for another severity.
    """
    if name not in CORRUPTIONS:
        raise UnknownNameError("corruption", name, tuple(CORRUPTIONS))
    if severity not in SEVERITIES:
        raise UsageError(f"must be from 1 to 5, not {severity}", settings="severity")
    random = np.random.default_rng((seed, list(CORRUPTIONS).index(name), severity, row))
    return as_bytes(CORRUPTIONS[name].apply(floats_of(image), severity, random))
