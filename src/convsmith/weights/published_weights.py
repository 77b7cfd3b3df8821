"""Published weights by name: where they are, their checksum, their accuracy, and how images must be prepared."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from convsmith import download
from convsmith.errors import UnknownNameError
from convsmith.network.preprocess import Preprocess
from convsmith.zoo.libraries import NAMES


@dataclass(frozen=True)
class PublishedWeights:
    """Weights of a classifier of ImageNet's 1000 classes, as their publisher describes them.

    `name` is unique ("torchvision/resnet50.IMAGENET1K_V2"), `model` is what `create` takes, `source` says whose keys
    the file has. `sha256` may be its first digits, where its publisher gives no more; `size` is in bytes, None where it
    is not published. `within` is the SHA-256 of the checkpoint, if the file is a package that holds it.

    `mib` is the file's size to three digits, for those who wait. `gmacs` are multiply-adds in G; `top1` and `top5`
    percentages on ILSVRC 2012's validation images, with exactly this preprocessing.
    """

    name: str
    model: str
    source: str
    url: str
    sha256: str
    size: int | None
    within: str | None
    mib: float
    params: int
    gmacs: float
    top1: float
    top5: float | None
    preprocess: Preprocess

    @property
    def file(self) -> download.Published:
        """What to download."""
        return download.Published(self.url, self.size, self.sha256)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def published(pattern: str = "*") -> list[PublishedWeights]:
    """The published weights whose name, or whose model's name, matches `pattern`, which is as in file names."""
    return [row for row in _registry() if fnmatchcase(row.name, pattern) or fnmatchcase(row.model, pattern)]


def find_published(name: str) -> PublishedWeights:
    """The weights of this name; for the name of a model, its newest. Raises UnknownNameError."""
    named = {weights.model: weights for weights in _registry()} | {weights.name: weights for weights in _registry()}
    if name not in named:
        raise UnknownNameError("weights", name, named)
    return named[name]


def recognised(path: Path) -> PublishedWeights | None:
    """Which published weights a file holds, by its SHA-256, whatever its name; None if it holds none of them."""
    digits = download.sha256(path)
    return next((row for row in _registry() if digits.startswith(row.file.sha256) or digits == row.within), None)


def cached(weights: PublishedWeights) -> Path:
    """Where the file is once it is fetched."""
    return download.cache("weights") / weights.file.name


def fetch_weights(name: str, *, on_progress: download.Progress = lambda done, total: None) -> Path:
    """The file of published weights in the user's cache, fetched if it is not there.

    Raises UnknownNameError, or DownloadError as `convsmith.download.download` does.
    """
    path = cached(find_published(name))
    return download.download(find_published(name).file, path.parent, on_progress=on_progress)


@cache
def _registry() -> tuple[PublishedWeights, ...]:
    text = (files(__package__) / "published_weights.json").read_bytes()
    rows = msgspec.json.decode(text, type=tuple[PublishedWeights, ...])
    return tuple(row for row in rows if row.model in NAMES)
