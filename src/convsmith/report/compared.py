"""Networks beside each other: what each costs, and its accuracy as it was published or as it was measured here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from convsmith import resolve
from convsmith.cost import Cost, cost_of
from convsmith.errors import UsageError
from convsmith.network.network import Network
from convsmith.zoo.paper import PaperFigures

IMAGENET = "ImageNet"
"""What papers' accuracies are measured on."""


@dataclass(frozen=True)
class Accuracy:
    """Top-1 accuracy in percent, with a 95% interval where it was measured here, and on which images."""

    top1: float
    data: str
    protocol: str
    """How it was taken: crops and scale, or split and number of images."""
    low: float | None = None
    high: float | None = None
    published: bool = False

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.top1}%"
        return f"{self.top1:.1f}% ({self.low:.1f} to {self.high:.1f})"


@dataclass(frozen=True)
class ComparedNetwork:
    """One side of a comparison. `name` is as it was asked for."""

    name: str
    network: Network
    accuracy: Accuracy | None = None

    @cached_property
    def cost(self) -> Cost:
        return cost_of(self.network)

    @cached_property
    def deployed(self) -> Cost:
        """The cost without what exists in training only: papers do not count auxiliary heads."""
        return cost_of(self.network.inference)

    @property
    def side(self) -> int:
        """The longer side of the input."""
        return int(max(self.network.input[1:]))

    def to_json(self) -> dict[str, Any]:
        """Figures as JSON values; the layers are only counted."""
        figures = self.cost.to_json()
        accuracy, published = self.accuracy, self.accuracy is not None and self.accuracy.published
        return {
            "name": self.name,
            **figures,
            "layers": len(figures["layers"]),
            "published_top1": accuracy.top1 if accuracy and published else None,
            "protocol": accuracy.protocol if accuracy else "",
            "measured": accuracy if accuracy and not published else None,
        }


def published_accuracy(figures: PaperFigures | None) -> Accuracy | None:
    """A paper's accuracy; None if it prints none."""
    if figures is None or figures.top1 is None:
        return None
    return Accuracy(figures.top1, IMAGENET, figures.protocol, published=True)


def measured_accuracy(source: str) -> Accuracy | None:
    """The accuracy that a model file, or the one in a run's folder, says it was measured to have; None if it does not.

    Raises UsageError and ModelFileError as `convsmith.resolve.network_of` does.
    """
    path = resolve.file_of(source)
    if path is None or resolve.kind_of(path) != "model":
        return None
    from convsmith.model.file import read_header

    header = read_header(path)
    top1 = _mapping(header.metrics.get("top1"))
    figures = [top1.get(key) for key in ("value", "low", "high")]
    value, low, high = (100 * one if isinstance(one, (int, float)) else None for one in figures)
    if value is None:
        return None
    data = str(_mapping(header.provenance.get("data")).get("name") or "unnamed images")
    images = header.metrics.get("images")
    split = str(header.metrics.get("split") or "")
    counted = f"{images:,} {split} images".replace("  ", " ") if isinstance(images, int) else f"{split} images"
    return Accuracy(value, data, f"{counted} of {data}", low, high)


def require_accuracy(name: str, accuracy: Accuracy | None) -> None:
    """Raises UsageError for a network that cannot be drawn, saying what would give it an accuracy."""
    if accuracy is not None:
        return
    path = Path(name)
    if path.exists():
        raise UsageError(
            f"{name} has no accuracy: the file holds none. `convsmith fit` measures it, and keeps it in the model",
            settings="plot",
        )
    raise UsageError(f"{name} has no accuracy: its paper prints none for this network and input", settings="plot")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
