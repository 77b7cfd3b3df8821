"""The likeliest classes of image files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convsmith.data.decode import decode
from convsmith.deploy.classifier import Classifier, TorchClassifier, open_classifier
from convsmith.errors import DataError
from convsmith.weights.file import Model

TOP = 5


@dataclass(frozen=True)
class Guess:
    """A class and how likely it is."""

    label: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The likeliest classes of one image, likeliest first; or the `error`, naming the file, why it cannot be read."""

    image: str
    guesses: tuple[Guess, ...] = ()
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        if self.error is not None:
            return self.error
        return f"{self.image}: " + ", ".join(f"{guess.label} {guess.probability:.1%}" for guess in self.guesses)


def predict(model: Path | Model, images: Sequence[Path], *, top: int = TOP) -> list[Prediction]:
    """The `top` likeliest classes of each image, in the order given, from a model file or an exported `.onnx` file.

    An image that cannot be read gets its `error`, and the others are predicted. Raises ModelFileError for a bad model.
    """
    classifier = open_classifier(model) if isinstance(model, Path) else TorchClassifier(model)
    return [_predict(classifier, image, top) for image in images]


def _predict(classifier: Classifier, image: Path, top: int) -> Prediction:
    try:
        probabilities = classifier.probabilities(decode(image))
    except DataError as error:
        return Prediction(str(image), error=str(error))
    best = np.argsort(-probabilities, kind="stable")[:top]
    return Prediction(str(image), tuple(Guess(classifier.classes[i], float(probabilities[i])) for i in best))
