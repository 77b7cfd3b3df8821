"""The likeliest classes of images: few or millions, a batch in memory at a time."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import Images
from convsmith.data.images import printable
from convsmith.data.load.loader import WORKERS
from convsmith.data.unlabelled import gather
from convsmith.deploy.classifier import Classifier, TorchClassifier, open_classifier
from convsmith.deploy.streams import answers
from convsmith.model.file import Model

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

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Prediction:
        return cls(data["image"], tuple(Guess(**guess) for guess in data["guesses"]), data["error"])

    def __str__(self) -> str:
        if self.error is not None:
            return self.error
        return f"{self.image}: " + ", ".join(f"{guess.label} {guess.probability:.1%}" for guess in self.guesses)


def predict(model: Path | Model, images: Sequence[Path], *, top: int = TOP) -> list[Prediction]:
    """The `top` likeliest classes of each image, in the order given, from a model file or an exported `.onnx` file.

    Images are files, or folders and shards of them, as `gather` takes them. An image that cannot be read gets its
    `error`, and the others are predicted. Raises ModelFileError for a bad model, DataError as `gather` does.
    """
    classifier = open_classifier(model) if isinstance(model, Path) else TorchClassifier(model)
    return list(predictions(classifier, gather(images), top=top))


def predictions(
    classifier: Classifier, images: Images, *, top: int = TOP, workers: int = WORKERS
) -> Generator[Prediction]:
    """A prediction for each image, in order, while later ones are decoded by up to `workers` processes or threads."""
    for row, answer in enumerate(answers(classifier, images, workers)):
        if isinstance(answer, str):
            yield Prediction(images.name(row), error=printable(answer))
        else:
            yield Prediction(images.name(row), _best(answer, classifier.classes, top))


def _best(probabilities: NDArray[np.float32], classes: Sequence[str], top: int) -> tuple[Guess, ...]:
    best = np.argsort(-probabilities, kind="stable")[:top]
    return tuple(Guess(classes[i], float(probabilities[i])) for i in best)
