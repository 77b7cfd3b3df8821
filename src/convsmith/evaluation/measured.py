"""A model's answers on a split of a data set, from which every figure is taken."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from convsmith.data import open_dataset
from convsmith.data.dataset import Dataset, Split
from convsmith.errors import DataError
from convsmith.evaluation.nouns.meaning import Meaning, meanings_of, summed
from convsmith.evaluation.protocol import Protocol, protocol_named
from convsmith.evaluation.training_data import TrainingData
from convsmith.evaluation.views import predict_by
from convsmith.model import Model
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.resolve import model_of
from convsmith.transform.side import at_side
from convsmith.weights.imagenet import labels, synsets

WHOLE = "all"
"""What is measured of data that have no splits of their own, unless the model was trained on them."""

MEASURED_FIRST = ("test", "val", WHOLE)
"""Which split is measured where none is asked for: the first of these that there is."""

ClassesBy = Literal["name", "wordnet"]

ANY_SHARE = 1.0
"""Of the files may be unusable: they are said beside the figure."""


@dataclass(frozen=True, eq=False)
class Task:
    """What a model is to answer: the `images` of a split, with labels (N,) that are places in `classes`.

    `module` is what answers, `network` what it was built of, `preprocess` the model's own, at the side that was asked
    for. `meanings` are those of the data's classes where they are matched by WordNet, else None.
    """

    data: Dataset
    split: str
    images: Split
    module: nn.Module
    network: Network
    preprocess: Preprocess
    protocol: Protocol
    classes: tuple[str, ...]
    meanings: tuple[Meaning, ...] | None = None

    def by_class(self, outputs: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        """The model's outputs (N, outputs) as logits of `classes` (N, classes)."""
        return outputs if self.meanings is None else summed(outputs, [one.outputs for one in self.meanings])

    def outside(self, outputs: NDArray[np.float32]) -> int | None:
        """The images whose likeliest output is of none of the data's classes; None where these are the outputs."""
        if self.meanings is None:
            return None
        used = np.concatenate([one.outputs for one in self.meanings])
        return int((~np.isin(outputs.argmax(axis=1), used)).sum())


@dataclass(frozen=True, eq=False)
class Measured:
    """A model's answers on the `images` of a split, by a protocol.

    `logits` (N, classes) are the model's, or of mean probabilities their logarithms; `labels` (N,) are places in
    `classes`. `network` is what answered. Where classes are matched by WordNet, `meanings` are what the data's were
    taken for, and `outside` counts the images whose likeliest output is none of them.
    """

    data: Dataset
    split: str
    images: Split
    network: Network
    protocol: Protocol
    classes: tuple[str, ...]
    logits: NDArray[np.floating[Any]]
    labels: NDArray[np.int64]
    outside: int | None = None
    meanings: tuple[Meaning, ...] | None = None


def measured(
    model: Model | str | Path,
    data: Dataset | str | Path,
    *,
    split: str | None = None,
    side: int | None = None,
    seed: int | None = None,
    classes_by: ClassesBy = "name",
    protocol: Protocol | str | None = None,
) -> Measured:
    """What a model answers on a split of a data set; see `evaluate`, which has the same arguments and errors."""
    task = task_of(model, data, split=split, side=side, seed=seed, classes_by=classes_by, protocol=protocol)
    outputs = predict_by(task.module, task.images, task.preprocess, task.protocol)
    return Measured(
        data=task.data,
        split=task.split,
        images=task.images,
        network=task.network,
        protocol=task.protocol,
        classes=task.classes,
        logits=task.by_class(outputs),
        labels=task.images.labels,
        outside=task.outside(outputs),
        meanings=task.meanings,
    )


def task_of(
    model: Model | str | Path,
    data: Dataset | str | Path,
    *,
    split: str | None = None,
    side: int | None = None,
    seed: int | None = None,
    classes_by: ClassesBy = "name",
    protocol: Protocol | str | None = None,
) -> Task:
    """What is asked of a model on a split of a data set; the arguments and errors are those of `evaluate`."""
    model = model_of(model)
    network, preprocess = resized(model, side)
    by = protocol if isinstance(protocol, Protocol) else protocol_named(protocol or "own", preprocess)
    dataset = opened_for(model, data, seed)
    images = dataset.split(split or split_to_measure(dataset))
    name = next(name for name, one in dataset.splits.items() if one is images)
    module = model.module(network)
    if classes_by == "name":
        known = labelled_for(model, dataset, images)
        return Task(dataset, name, known, module, network, preprocess, by, model.classes)
    meanings = meanings_of(model, dataset.classes)
    return Task(dataset, name, images, module, network, preprocess, by, dataset.classes, meanings)


def resized(model: Model, side: int | None) -> tuple[Network, Preprocess]:
    """The model's network and preprocessing for images of this height. Raises UsageError if it cannot take them."""
    network, preprocess = model.network.inference, model.preprocess
    return (network, preprocess) if side is None else at_side(network, preprocess, side)


def opened_for(model: Model, data: Dataset | str | Path, seed: int | None = None) -> Dataset:
    """The data set to measure a model on: with its own splits, those of `seed`, or those of the model's training.

    Other data without splits are not split; see `evaluate`. Raises as `open_dataset` does.
    """
    return opened_as(TrainingData.known_to(model.provenance), data, seed)


def opened_as(training: TrainingData, data: Dataset | str | Path, seed: int | None = None) -> Dataset:
    """The same for a model of which only its training data are known."""
    if isinstance(data, Dataset):
        return data

    def opened(seed: int | None) -> Dataset:
        return open_dataset(data, seed=seed, max_unusable=ANY_SHARE, decoding=training.decoding)

    if seed is not None:
        return opened(seed)
    with suppress(DataError):  # too few images to split are enough to measure on
        dataset = opened(training.seed)
        if not dataset.made_splits or dataset.fingerprint == training.fingerprint:
            return dataset
    dataset = opened(None)
    if list(dataset.splits) != ["train"]:
        return dataset
    return replace(dataset, splits={WHOLE: dataset.splits["train"]})


def split_to_measure(dataset: Dataset) -> str:
    """The split that is measured where none is asked for. Raises DataError if the data have only training images."""
    for name in MEASURED_FIRST:
        if name in dataset.splits:
            return name
    raise DataError(f"{dataset.name} has no test split; ask for one of: {', '.join(dataset.splits)}")


def labelled_for(model: Model, dataset: Dataset, images: Split) -> Split:
    """The split with the model's own numbers for its labels."""
    places = _places(model)
    unknown = [name for name in dataset.classes if name not in places]
    if unknown:
        raise DataError(
            f"{dataset.name} has classes that the model ({model.network.name}) does not have: {', '.join(unknown[:5])}"
        )
    numbers = np.array([places[name] for name in dataset.classes])[images.labels]
    return replace(images, labels=numbers)


def _places(model: Model) -> dict[str, int]:
    """The model's output for each name that a class may have in data."""
    places = {name: place for place, name in enumerate(model.provenance.get("wordnet_ids", ()))}
    places |= {name: place for place, name in enumerate(model.classes)}
    # Folders of images are called by WordNet ids, ImageNet's archives and published classifiers by names.
    for synset, name in zip(synsets(), labels(), strict=True):
        for known, other in ((synset.wordnet_id, name), (name, synset.wordnet_id)):
            if known in places:
                places.setdefault(other, places[known])
    return places
