"""Which of the images that are measured the model was trained on, by a few kilobytes that its file keeps.

A model keeps the smallest hashes of its training images (a bottom-k sketch, Cohen 1997, J. Computer and System Sciences
55:441). Of another set of images, those whose hashes are as small are a random sample, and either are among the kept
ones or were not trained on. Up to `SKETCH_SIZE` training images the count is exact.
"""

from __future__ import annotations

import base64
import binascii

import numpy as np
from numpy.typing import NDArray

SKETCH_SIZE = 1024
"""Hashes that are kept: 11 kB of text."""


def sketch(content: NDArray[np.int64]) -> str:
    """The smallest hashes of training images, as text for a model's provenance. `content` is `Split.content`, (N,)."""
    smallest = np.unique(content.astype(np.int64).view(np.uint64))[:SKETCH_SIZE]
    return base64.b64encode(smallest.astype("<u8").tobytes()).decode()


def trained_on(kept: str, content: NDArray[np.int64]) -> int | None:
    """How many of the images with this `content`, int64 (N,), were trained on, by the `sketch` of the training images.

    An estimate where there were more than `SKETCH_SIZE` of those. None if it cannot be said: the sketch is damaged, or
    too few images are measured for one to fall into the sample.
    """
    try:
        known = np.frombuffer(base64.b64decode(kept, validate=True), "<u8")
    except (binascii.Error, ValueError, TypeError):
        return None
    hashes = content.astype(np.int64).view(np.uint64)
    sample = hashes[hashes <= known.max(initial=0)] if len(known) == SKETCH_SIZE else hashes
    if not len(sample):
        return None
    return round(float(np.isin(sample, known).mean()) * len(hashes))
