"""Whether an exported model gives the probabilities that the trained model gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import Finding, Images
from convsmith.deploy.classifier import Classifier, TorchClassifier
from convsmith.errors import DataError
from convsmith.evaluation.metrics import left_out

BATCH = 64


@dataclass(frozen=True)
class Disagreement:
    """An image whose best class differs; `margin` is PyTorch's best probability less its second best."""

    image: str
    torch: str
    onnx: str
    margin: float


@dataclass(frozen=True)
class Verification:
    """How close the exported model's probabilities are to the trained model's.

    `largest_difference` is that of any probability of any class, on the image `differs_most`. Within a tolerance t,
    two models can disagree on the best class only where PyTorch's margin is at most 2 t. `unreadable` files could not
    be verified on.
    """

    images: int
    largest_difference: float
    differs_most: str
    tolerance: float
    disagreements: tuple[Disagreement, ...] = ()
    unreadable: tuple[Finding, ...] = ()

    @property
    def agreement(self) -> float:
        """The share of the images whose best class is the same."""
        return 1 - len(self.disagreements) / self.images

    @property
    def passed(self) -> bool:
        """Whether every probability is within the tolerance; NaN never is."""
        return self.largest_difference <= self.tolerance

    def to_json(self) -> dict[str, Any]:
        unreadable = [str(finding) for finding in self.unreadable]
        return asdict(self) | {"unreadable": unreadable, "agreement": self.agreement, "passed": self.passed}

    def __str__(self) -> str:
        same = self.images - len(self.disagreements)
        return (
            f"top-1 agrees on {same:,} of {self.images:,} images{left_out(len(self.unreadable))}, "
            f"largest difference in probability {self.largest_difference:.1e} (tolerance {self.tolerance:g})"
        )


def verify(
    reference: TorchClassifier,
    exported: Classifier,
    images: Images,
    *,
    tolerance: float,
    limit: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Compares both models on every image, or on `limit` of them, evenly spread.

    `on_progress` is told (images done, images in all). Raises DataError if there is no image or one cannot be read.
    """
    rows = spread(len(images), limit)
    if not rows:
        raise DataError("there is no image to verify the export on")
    expected, actual = [], []
    for start in range(0, len(rows), BATCH):
        prepared = []
        for row in rows[start : start + BATCH]:
            image = images[row]
            prepared.append(reference.prepare(image))
            actual.append(exported.probabilities(image))
        expected.append(reference.classify(prepared))
        if on_progress is not None:
            on_progress(len(actual), len(rows))
    names = [images.name(row) for row in rows]
    return compare(np.concatenate(expected), np.stack(actual), names, reference.classes, tolerance)


def spread(count: int, limit: int | None) -> list[int]:
    """At most `limit` rows of `count`, evenly spread: data sets are often in the order of their classes."""
    kept = count if limit is None else min(limit, count)
    return [i * count // kept for i in range(kept)]


def compare(
    expected: NDArray[np.float32],
    actual: NDArray[np.float32],
    names: Sequence[str],
    classes: Sequence[str],
    tolerance: float,
) -> Verification:
    """Compares two models' probabilities, (N, classes): PyTorch's and the exported model's."""
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
