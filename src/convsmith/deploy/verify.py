"""Whether an exported model gives the probabilities that the trained model gives, engine by engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import Finding, Images
from convsmith.deploy.classifier import Classifier, OnnxClassifier, TorchClassifier
from convsmith.deploy.engines import EngineKind
from convsmith.errors import DataError, ModelFileError
from convsmith.evaluation.metrics import left_out

BATCH = 64


@dataclass(frozen=True)
class Disagreement:
    """An image whose best class differs; `margin` is the reference's best probability less its second best."""

    image: str
    expected: str
    actual: str
    margin: float


@dataclass(frozen=True)
class Verification:
    """How close an exported model's probabilities, in one engine, are to the trained model's.

    `largest_difference` is that of any probability of any class, on the image `differs_most`. Within a tolerance t,
    two models can disagree on the best class only where the reference's margin is at most 2 t. `unreadable` files could
    not be verified on. `engine` is the program that ran it, by name and version, and `precision` what it computed in;
    an engine that is not `judged` chose that itself. `others` are the same for the other engines it was verified in.
    """

    images: int
    largest_difference: float
    differs_most: str
    tolerance: float
    disagreements: tuple[Disagreement, ...] = ()
    unreadable: tuple[Finding, ...] = ()
    engine: str = ""
    precision: str = "float32"
    judged: bool = True
    others: tuple[Verification, ...] = ()

    @property
    def agreement(self) -> float:
        """The share of the images whose best class is the same."""
        return 1 - len(self.disagreements) / self.images

    @property
    def passed(self) -> bool:
        """Whether every probability is within the tolerance; NaN never is."""
        return self.largest_difference <= self.tolerance

    @property
    def failed(self) -> bool:
        """Whether it counts that it did not pass."""
        return self.judged and not self.passed

    def to_json(self) -> dict[str, Any]:
        left = [str(finding) for finding in self.unreadable]
        others = [other.to_json() for other in self.others]
        verdict = {"agreement": self.agreement, "passed": self.passed}
        return asdict(self) | {"unreadable": left, "others": others} | verdict

    def __str__(self) -> str:
        same = self.images - len(self.disagreements)
        return (
            f"top-1 agrees on {same:,} of {self.images:,} images{left_out(len(self.unreadable))}, "
            f"largest difference in probability {self.largest_difference:.1e} (tolerance {self.tolerance:g})"
        )


@dataclass(frozen=True)
class Refusal:
    """An engine that cannot run the file, or not on some image, and why."""

    engine: str
    reason: str


class _Answers:
    """The probabilities that one engine gives, one image after the other, until it fails on one."""

    def __init__(self, kind: EngineKind, path: Path) -> None:
        self.kind = kind
        self.failure: str | None = None
        self._rows: list[NDArray[np.float32]] = []
        try:
            self._classifier = OnnxClassifier(path, engine=kind)
        except ModelFileError as error:
            self.failure = str(error)

    def add(self, image: NDArray[np.uint8], name: str) -> None:
        if self.failure is None:
            try:
                self._rows.append(self._answer(image))
            except ModelFileError as error:
                self.failure = f"{name}: {error}"

    def _answer(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """In a batch where the file takes one, behind its own mirror image: an answer depends on nothing beside it."""
        if self._classifier.exported.form.batch:
            answer: NDArray[np.float32] = self._classifier.of_batch(np.stack([image[:, ::-1], image]))[1]
            return answer
        return self._classifier.probabilities(image)

    def held_to(self, expected: NDArray[np.float32], names: Sequence[str], tolerance: float) -> Verification:
        engine = self._classifier.engine
        return replace(
            compare(expected, np.stack(self._rows), names, self._classifier.classes, tolerance),
            engine=f"{self.kind.title} {engine.version}",
            precision=engine.precision,
            judged=self.kind.judged,
        )


def try_engines(
    reference: Classifier,
    path: Path,
    kinds: Sequence[EngineKind],
    images: Images,
    tolerance: float,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[tuple[Verification, ...], tuple[Refusal, ...]]:
    """Runs an exported file in each engine, on every image, and compares it with the reference.

    `on_progress` is told (images done, images in all). Raises DataError if there is no image or one cannot be read,
    UsageError for an engine that is not installed, ModelFileError for a file that convsmith did not export.
    """
    if not len(images):
        raise DataError("there is no image to verify the export on")
    answers = [_Answers(kind, path) for kind in kinds]
    expected = _reference(reference, answers, images, on_progress)
    names = [images.name(row) for row in range(len(images))]
    found = [one.held_to(expected, names, tolerance) for one in answers if one.failure is None]
    refusals = [Refusal(one.kind.title, one.failure) for one in answers if one.failure is not None]
    return tuple(found), tuple(refusals)


def _reference(
    reference: Classifier,
    answers: Sequence[_Answers],
    images: Images,
    on_progress: Callable[[int, int], None] | None,
) -> NDArray[np.float32]:
    """Runs everything on the images, each of which is decoded once; the reference's probabilities (N, classes)."""
    expected = []
    for start in range(0, len(images), BATCH):
        stop = min(start + BATCH, len(images))
        prepared = []
        for row in range(start, stop):
            image = images[row]
            for one in answers:
                one.add(image, images.name(row))
            if isinstance(reference, TorchClassifier):
                prepared.append(reference.prepare(image))
            else:
                expected.append(reference.probabilities(image)[None])
        if isinstance(reference, TorchClassifier):
            expected.append(reference.classify(prepared))
        if on_progress is not None:
            on_progress(stop, len(images))
    return np.concatenate(expected)


def compare(
    expected: NDArray[np.float32],
    actual: NDArray[np.float32],
    names: Sequence[str],
    classes: Sequence[str],
    tolerance: float,
) -> Verification:
    """Compares two models' probabilities, (N, classes): the reference's and the exported model's."""
    differences = np.abs(expected - actual).max(axis=1)
    best, exported = expected.argmax(axis=1), actual.argmax(axis=1)
    ranked = np.sort(expected, axis=1)
    margins = ranked[:, -1] - ranked[:, -2]
    farthest = int(differences.argmax())
    return Verification(
        images=len(names),
        largest_difference=float(differences[farthest]),
        differs_most=names[farthest],
        tolerance=tolerance,
        disagreements=tuple(
            Disagreement(names[i], classes[int(best[i])], classes[int(exported[i])], float(margins[i]))
            for i in np.flatnonzero(best != exported).tolist()
        ),
    )
