"""A classifier on many images: in batches for PyTorch, one at a time in threads for ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import Images, Split
from convsmith.data.load.loader import Loader
from convsmith.deploy.classifier import Classifier, TorchClassifier
from convsmith.errors import DataError

Result = NDArray[np.float32] | str
"""A probability for each class, float32 (classes,); or why the image cannot be read."""

BATCH = 64
"""The most images in a batch; where there are no batches, the most that are decoded ahead."""

PIXELS = BATCH * 224 * 224
"""The most pixels of network input in a batch, so that large inputs do not take gigabytes."""

FEW = 16
"""Images that this process decodes in the time in which another would start."""


def results(classifier: Classifier, images: Images, workers: int) -> Iterator[Result]:
    """The result for each image, in order; `workers` processes or threads decode. Memory holds a few batches."""
    if isinstance(classifier, TorchClassifier):
        return _in_batches(classifier, images, workers)
    return _one_by_one(classifier, images, workers)


def _in_batches(classifier: TorchClassifier, images: Images, workers: int) -> Iterator[Result]:
    height, width = classifier.preprocess.crop
    split = Split(images, np.zeros(len(images), np.int64))
    loader = Loader(
        split,
        classifier.preprocess,
        max(1, min(BATCH, PIXELS // (height * width))),
        device=classifier.device,
        workers=min(workers, len(images) // FEW),
    )
    done = 0
    for batch in loader.epoch():
        known = dict(zip(batch.rows.tolist(), classifier.classify([batch.images]), strict=True))
        for row in range(done, max(known) + 1):
            yield known[row] if row in known else loader.reason(images.name(row))
        done = max(known) + 1
    for row in range(done, len(images)):
        yield loader.reason(images.name(row))


def _one_by_one(classifier: Classifier, images: Images, workers: int) -> Iterator[Result]:
    def result(row: int) -> Result:
        try:
            return classifier.probabilities(images[row])
        except DataError as error:
            return str(error)

    with ThreadPoolExecutor(max(1, workers)) as pool:
        for start in range(0, len(images), BATCH):
            yield from pool.map(result, range(start, min(start + BATCH, len(images))))
