"""From a library's checkpoint to a model: with classes, preprocessing and provenance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import convsmith
from convsmith.errors import ModelFileError, UsageError
from convsmith.model.file import Header, Model
from convsmith.network.preprocess import Preprocess
from convsmith.weights import imagenet
from convsmith.weights.formats.checkpoints import matched, open_checkpoint
from convsmith.weights.formats.unwrapping import Kind
from convsmith.weights.identification import identify
from convsmith.weights.misfit import reason
from convsmith.weights.preprocessing import usual_preprocess
from convsmith.weights.published_weights import PublishedWeights, recognised
from convsmith.weights.translate.matching import Match
from convsmith.zoo.registry import create

LARGEST_RANDOM_SHARE = 0.5
"""Of a network in a partial import: of its tensors, and of their numbers."""


@dataclass(frozen=True, eq=False)
class Imported:
    """A model, and how it was made of the checkpoint.

    `problems` is what did not fit, and `random` the parameters that are as initialised, both in a partial import.
    `assumed` says that the preprocessing is only what is usual; `notes` say which weights of the file were taken.
    """

    model: Model
    published: PublishedWeights | None
    problems: tuple[str, ...]
    assumed: bool
    random: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        header = self.model.header
        return {
            "network": header.network.name,
            "classes": len(header.classes),
            "preprocess": header.preprocess.to_json(),
            "preprocess_assumed": self.assumed,
            "published": self.published and self.published.name,
            "not_imported": list(self.problems),
            "random": list(self.random),
            "notes": list(self.notes),
        }


def import_weights(
    file: Path,
    model: str | None = None,
    *,
    classes: Sequence[str] | None = None,
    preprocess: Preprocess | None = None,
    partial: bool = False,
    weights: Kind | None = None,
) -> Imported:
    """The network named `model` ("torchvision/resnet50") with the weights of a library's checkpoint.

    A file that is one of the published weights, whatever its name, brings its model, ImageNet's class names with their
    WordNet ids, and its exact preprocessing. Otherwise `classes` are ImageNet's if there are 1000, and `preprocess` is
    what is usual for the network; it sets the input's size. With `partial`, what does not fit is left as initialised,
    if that is the smaller part of the network. Of a file with raw weights and their moving average, `weights` ("raw",
    "ema") says which to take, by default the average.

    Raises ModelFileError saying which keys are missing, left over or of the wrong shape, and the likely reason; also
    where less than half of the network is covered or weights are no finite numbers, and as `read` does. Raises
    UsageError where the network or its classes must be named, or the file has no weights of the kind that is asked for.
    """
    known = recognised(file) if file.is_file() else None
    name = model or (known.model if known else None)
    if name is None:
        raise UsageError(f"{file} is none of the published weights: name its network (model), {_suggested(file)}")
    exact = preprocess or (known.preprocess if known and known.model == name else None)
    network = create(
        name,
        classes=len(classes) if classes else None,
        input=(exact.channels, *exact.crop) if exact else None,
    )
    if classes is None and network.classes != imagenet.CLASSES:
        raise UsageError(f"{name} has {network.classes} classes: name them (classes)")
    checkpoint = open_checkpoint(file)
    found = matched(checkpoint, network, known.source if known else None, weights)
    if found.problems and not partial:
        why = reason(found, checkpoint, weights)
        raise ModelFileError(f"{file}: these {found.source} weights do not fit {name}: {why}; {found.told()}")
    random = _random(file, found)
    header = Header(
        network,
        tuple(classes or imagenet.labels()),
        exact or usual_preprocess(network),
        _provenance(file, known, found.source, named=classes is not None, problems=found.problems),
    )
    made = header.with_weights(found.filled())
    _check_finite(file, made)
    return Imported(made, known, found.problems, exact is None, random, found.notes)


def _check_finite(file: Path, model: Model) -> None:
    """Raises ModelFileError for NaN and infinities: the file is of a training that diverged, or damaged."""
    spoiled = [name for name, tensor in model.weights.items() if not tensor.isfinite().all()]
    if spoiled:
        more = f" and {len(spoiled) - 1:,} more" if len(spoiled) > 1 else ""
        raise ModelFileError(f"{file}: some numbers of {spoiled[0]}{more} are not finite: its training diverged")


def _suggested(file: Path) -> str:
    """What to name, if the keys and shapes say so."""
    try:
        exact = identify(file).exact
    except UsageError:
        exact = None
    return f"which by its keys is {exact.name}" if exact else "such as torchvision/resnet50"


def _random(file: Path, found: Match) -> tuple[str, ...]:
    """The parameters that the checkpoint does not give.

    Raises ModelFileError if they are half of the network or more, as tensors or as numbers.
    """
    wanted = found.network.parameters
    random = tuple(key for key in wanted if key not in found.weights)
    sizes = {key: math.prod(map(int, parameter.shape)) for key, parameter in wanted.items()}
    share = sum(sizes[key] for key in random) / sum(sizes.values())
    if share >= LARGEST_RANDOM_SHARE or len(random) >= LARGEST_RANDOM_SHARE * len(wanted):
        raise ModelFileError(
            f"{file}: {len(wanted) - len(random)} of the {len(wanted)} tensors of {found.network.name} fit, with "
            f"{1 - share:.0%} of its parameters; most of it would stay random, so nothing is imported: {found.told()}"
        )
    return random


def _provenance(
    file: Path, known: PublishedWeights | None, source: str, *, named: bool, problems: Sequence[str]
) -> dict[str, Any]:
    return {
        "imported": {"file": file.name, "library": source, "published": known and known.to_json()},
        "wordnet_ids": [] if named else [synset.wordnet_id for synset in imagenet.synsets()],
        "not_imported": list(problems),
        "versions": {"convsmith": convsmith.__version__},
    }
