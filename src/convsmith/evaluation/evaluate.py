"""A model measured on a split of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from convsmith.cost import cost_of
from convsmith.cost.table import aligned
from convsmith.data import open_dataset
from convsmith.data.dataset import Dataset, Finding, Split
from convsmith.errors import DataError, UsageError
from convsmith.evaluation.inference import predict_logits
from convsmith.evaluation.meaning import outputs_by_class, summed
from convsmith.evaluation.metrics import Metrics, measure
from convsmith.evaluation.overlap import trained_on
from convsmith.evaluation.training_data import TrainingData
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


@dataclass(frozen=True)
class Evaluation:
    """A model measured on a split of the data set `data`.

    `side` is the height in pixels of the images that the network saw and `macs` its multiply-adds for one of them.
    `unreadable` are the files of the split that could not be read and so are not in the figures. `trained_on` is how
    many of the measured images the model was trained on, by their content; None if the model's file does not tell.
    `outside` counts the images whose likeliest output is none of the data's classes, where classes are matched by
    WordNet: the likeliest that is counts as their answer.
    """

    data: str
    metrics: Metrics
    side: int
    macs: int
    unreadable: tuple[Finding, ...] = ()
    trained_on: int | None = None
    outside: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The metrics', and what they are of."""
        unreadable = [str(finding) for finding in self.unreadable]
        about = {"data": self.data, "side": self.side, "macs": self.macs, "unreadable_files": unreadable}
        return {**about, "trained_on": self.trained_on, "outside": self.outside, **self.metrics.to_json()}

    def __str__(self) -> str:
        return f"{self.warning}{self._merged}{self.data}: {self.metrics}"

    @property
    def _merged(self) -> str:
        if self.outside is None:
            return ""
        return (
            f"classes by WordNet: each is all of its kinds that the model has; for {self.outside:,} images the "
            "likeliest class of the model is none of them\n"
        )

    @property
    def warning(self) -> str:
        """A line that says so if images were trained on, else nothing."""
        if not self.trained_on or self.metrics.split == "train":
            return ""
        count = f"{self.trained_on:,} of {self.metrics.images:,}"
        return f"TRAINED ON {count} IMAGES: the figures do not show how well the network does on new images\n"


def evaluate(
    model: Model | str | Path,
    data: Dataset | str | Path,
    *,
    split: str | None = None,
    side: int | None = None,
    k: int = 5,
    seed: int | None = None,
    classes_by: ClassesBy = "name",
) -> Evaluation:
    """Metrics of a model on a split of a data set: accuracy, precision and recall by class, calibration, loss.

    `model` is a model, its file or published weights by name (see `convsmith.resolve.model_of`); `data` a data set, or
    its path or name. Classes are matched by name, whatever their order in the data; the WordNet ids of ImageNet's
    classes are names too. `classes_by="wordnet"` takes each of the data's classes for all of its kinds that the model
    has: "dog" for the sum of all breeds.

    The split is `split`, by default test, or val where there is no test. Data that have no splits of their own are
    split by `seed` if it is given, split as they were in training if the model was trained on them, and measured whole
    otherwise.

    `side` is the height of the images in pixels, by default the model's own (see `at_side`). Networks that were trained
    on random crops do best on somewhat larger images, because crops show things larger (Touvron et al. 2019, arXiv
    1906.06423, section 4.1).

    Raises ModelFileError for a bad file, UsageError for a side that the network cannot take, DataError for data that
    lack the split or have a class that the model does not.
    """
    model = model_of(model)
    network, preprocess = resized(model, side)
    dataset = opened_for(model, data, seed)
    measured = dataset.split(split or split_to_measure(dataset))
    name = next(name for name, one in dataset.splits.items() if one is measured)
    if k < 1:
        raise UsageError(f"must be at least 1, not {k}", settings="k")
    outside, classes = None, model.classes
    if classes_by == "wordnet":
        classes, groups = dataset.classes, list(outputs_by_class(model, dataset.classes).values())
        outputs = predict_logits(model.module(network), measured, preprocess)
        outside, labels = _outside(outputs, groups), measured.labels
        logits: NDArray[np.floating[Any]] = summed(outputs, groups)
    else:
        images = labelled_for(model, dataset, measured)
        logits, labels = predict_logits(model.module(network), images, preprocess), images.labels
    metrics = measure(logits, labels, classes, split=name, k=k, unreadable=len(measured.unreadable))
    about = preprocess.crop[0], cost_of(network).macs, measured.unreadable, _trained_on(model, measured)
    return Evaluation(dataset.name, metrics, *about, outside)


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


def side_by_side(found: Sequence[Evaluation]) -> str:
    """Evaluations at several sides as a table, a row for each."""
    first = found[0].metrics
    columns = ("side", "MACs", "top-1 accuracy", f"top-{first.k} accuracy", "cross-entropy")
    rows = [
        (str(one.side), f"{one.macs:,}", str(one.metrics.top1), str(one.metrics.topk), f"{one.metrics.loss.value:.4f}")
        for one in found
    ]
    lines = [f"{found[0].warning}{found[0].data}: {first.headline}", aligned(columns, rows, "rrllr")]
    if first.split == "test":
        lines.append("Choose a side on the val split: a figure that was chosen for being the highest is not a test.")
    return "\n".join(lines)


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


def _outside(logits: NDArray[np.float32], groups: Sequence[NDArray[np.int64]]) -> int:
    """The images whose likeliest output is in none of the groups."""
    return int((~np.isin(logits.argmax(axis=1), np.concatenate(groups))).sum())


def _trained_on(model: Model, images: Split) -> int | None:
    kept = TrainingData.known_to(model.provenance).sketch
    return trained_on(kept, images.content) if kept and images.content is not None else None


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
