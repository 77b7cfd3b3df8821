"""From a library's checkpoint to a model: with classes, preprocessing and provenance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import convsmith
from convsmith.errors import UsageError
from convsmith.model.file import Header, Model
from convsmith.network.preprocess import Preprocess
from convsmith.weights import imagenet
from convsmith.weights.formats.checkpoints import read
from convsmith.weights.preprocessing import usual_preprocess
from convsmith.weights.published_weights import PublishedWeights, recognised
from convsmith.zoo.registry import create


@dataclass(frozen=True, eq=False)
class Imported:
    """A model, what did not fit of the checkpoint (in a partial import), and whether its preprocessing is assumed."""

    model: Model
    published: PublishedWeights | None
    problems: tuple[str, ...]
    assumed: bool

    def to_json(self) -> dict[str, Any]:
        header = self.model.header
        return {
            "network": header.network.name,
            "classes": len(header.classes),
            "preprocess": header.preprocess.to_json(),
            "preprocess_assumed": self.assumed,
            "published": self.published and self.published.name,
            "not_imported": list(self.problems),
        }


def import_weights(
    file: Path,
    model: str | None = None,
    *,
    classes: Sequence[str] | None = None,
    preprocess: Preprocess | None = None,
    partial: bool = False,
) -> Imported:
    """The network named `model` ("torchvision/resnet50") with the weights of a library's checkpoint.

    A file that is one of the published weights, whatever its name, brings its model, ImageNet's class names with their
    WordNet ids, and its exact preprocessing. Otherwise `classes` are ImageNet's if there are 1000, and `preprocess` is
    what is usual for the network; it sets the input's size. With `partial`, what does not fit is left as initialised.

    Raises ModelFileError listing every key that is missing, left over or of the wrong shape, and as `read` does.
    """
    known = recognised(file) if file.is_file() else None
    name = model or (known.model if known else None)
    if name is None:
        raise UsageError(
            f"{file} is none of the published weights: name its network (model), such as torchvision/resnet50"
        )
    exact = preprocess or (known.preprocess if known and known.model == name else None)
    network = create(
        name,
        classes=len(classes) if classes else None,
        input=(exact.channels, *exact.crop) if exact else None,
    )
    if classes is None and network.classes != imagenet.CLASSES:
        raise UsageError(f"{name} has {network.classes} classes: name them (classes)")
    found = read(file, network, known.source if known else None)
    header = Header(
        network,
        tuple(classes or imagenet.labels()),
        exact or usual_preprocess(network),
        _provenance(file, known, found.source, named=classes is not None, problems=found.problems),
    )
    weights = found.filled() if partial else found.complete()
    return Imported(header.with_weights(weights), known, found.problems, exact is None)


def _provenance(
    file: Path, known: PublishedWeights | None, source: str, *, named: bool, problems: Sequence[str]
) -> dict[str, Any]:
    return {
        "imported": {"file": file.name, "library": source, "published": known and known.to_json()},
        "wordnet_ids": [] if named else [synset.wordnet_id for synset in imagenet.synsets()],
        "not_imported": list(problems),
        "versions": {"convsmith": convsmith.__version__},
    }
