"""The likeliest classes of images: few or millions, a batch in memory at a time."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import Images
from convsmith.data.given import GivenImages, images_of
from convsmith.data.images import printable
from convsmith.data.load.loader import WORKERS
from convsmith.deploy.classifier import Classifier, open_classifier
from convsmith.deploy.streams import results
from convsmith.errors import UsageError
from convsmith.model.file import Model

TOP = 5


@dataclass(frozen=True)
class Guess:
    """A class and how likely it is."""

    label: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The likeliest classes of one image, likeliest first; or an `error` that names the file and says what is wrong."""

    image: str
    guesses: tuple[Guess, ...] = ()
    error: str | None = None

    def __str__(self) -> str:
        if self.error is not None:
            return self.error
        return f"{self.image}: " + ", ".join(f"{guess.label} {guess.probability:.1%}" for guess in self.guesses)


def predict(model: Model | str | Path, images: GivenImages, *, top: int = TOP) -> list[Prediction]:
    """The `top` likeliest classes of each image, in the order given.

    `model` is a model, its file, an exported `.onnx` file or published weights by name. Images are paths (of files,
    folders or shards), uint8 arrays (H, W, 3) or (N, H, W, C), or Pillow's images; see `images_of`. An image that
    cannot be read gets its `error`, and the others are predicted.

    Raises UsageError for a `top` below 1, ModelFileError for a bad model, and as `images_of` does.
    """
    classifier = open_classifier(model)
    return list(predictions(classifier, images_of(images, classifier.decoding), top=top))


def predictions(
    classifier: Classifier, images: Images, *, top: int = TOP, workers: int = WORKERS
) -> Generator[Prediction]:
    """A prediction for each image, in order, while later ones are decoded by up to `workers` processes or threads."""
    if top < 1:
        raise UsageError(f"must be at least 1, not {top}", settings="top")
    for row, result in enumerate(results(classifier, images, workers)):
        if isinstance(result, str):
            yield Prediction(images.name(row), error=printable(result))
        elif not np.isfinite(result).all():
            yield Prediction(images.name(row), error=f"{images.name(row)}: the model's answer is not a finite number")
        else:
            yield Prediction(images.name(row), _best(result, classifier.classes, top))


def _best(probabilities: NDArray[np.float32], classes: Sequence[str], top: int) -> tuple[Guess, ...]:
    best = np.argsort(-probabilities, kind="stable")[:top]
    return tuple(Guess(classes[i], float(probabilities[i])) for i in best)
