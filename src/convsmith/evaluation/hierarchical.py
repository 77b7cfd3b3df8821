"""A classifier measured by WordNet: how grave its mistakes are, and how often it is right at any level."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import Dataset, Finding
from convsmith.errors import UsageError
from convsmith.evaluation.evaluate import labelled_for, opened_for, split_to_measure
from convsmith.evaluation.hedging import Hedged, hedged
from convsmith.evaluation.inference import predict_logits
from convsmith.evaluation.meaning import Meant, meant_by, membership, severities_between
from convsmith.evaluation.metrics import Interval, left_out, mean_of, wilson
from convsmith.model import Model
from convsmith.resolve import model_of
from convsmith.wordnet import Hierarchy, Meanings

GUESSES = 5
"""Of which the mildest counts, as in ILSVRC 2010."""


@dataclass(frozen=True, slots=True)
class Level:
    """A synset and what was predicted below it.

    `images` have a class that is a kind of it, `predicted` were given one, `right` both.
    """

    wordnet_id: str
    name: str
    images: int
    predicted: int
    right: int

    @property
    def recall(self) -> Interval:
        """Of its images, how many were called some kind of it: the accuracy at this level."""
        return wilson(self.right, self.images)

    @property
    def precision(self) -> Interval:
        """Of the images that were called some kind of it, how many are."""
        return wilson(self.right, self.predicted)

    def to_json(self) -> dict[str, Any]:
        counts = {"images": self.images, "predicted": self.predicted, "right": self.right}
        return {"name": self.name, **counts, "recall": self.recall.to_json(), "precision": self.precision.to_json()}


@dataclass(frozen=True)
class HierarchicalEvaluation:
    """A model's answers on a split, by WordNet.

    `severities[h]` counts the images whose lowest common ancestor with the best guess has height h; 0 is a right
    answer. `error` is their mean, the hierarchical error of ILSVRC 2010 for one guess; `error_of_guesses` is that of
    the mildest of `guesses`. `severity` is the mean over mistakes alone (Bertinetto et al. 2020, arXiv 1912.09393,
    section 4.1). `levels` has a row for each synset of the hierarchy, and `hedged` what is gained by answering less
    precisely where the model is unsure, if that was asked for.
    """

    data: str
    split: str
    images: int
    top1: Interval
    severities: tuple[int, ...]
    error: Interval
    error_of_guesses: Interval
    guesses: int
    severity: Interval
    hierarchy: Hierarchy
    levels: Mapping[str, Level]
    hedged: Hedged | None = None
    unreadable: tuple[Finding, ...] = ()

    def level(self, word: str) -> Level:
        """The figures at "animal", "dog.n.01" or "n02084071". Raises UnknownNameError, DataError for two meanings."""
        return self.levels[Meanings(self.hierarchy).of(word)]

    @property
    def headline(self) -> str:
        """What was measured, and what was left out of it."""
        images = "1 image" if self.images == 1 else f"{self.images:,} images"
        return f"{self.data}: {self.split} split, {images}{left_out(len(self.unreadable))}; 95% intervals in brackets"

    def to_json(self) -> dict[str, Any]:
        return {
            "data": self.data,
            "split": self.split,
            "images": self.images,
            "unreadable_files": [str(finding) for finding in self.unreadable],
            "top1": self.top1.to_json(),
            "severities": list(self.severities),
            "hierarchical_error": self.error.to_json(),
            f"hierarchical_error_of_{self.guesses}": self.error_of_guesses.to_json(),
            "mistake_severity": self.severity.to_json(),
            "levels": {wordnet_id: level.to_json() for wordnet_id, level in self.levels.items()},
            "hedged": None if self.hedged is None else self.hedged.to_json(),
        }


def evaluate_by_wordnet(
    model: Model | str | Path,
    data: Dataset | str | Path,
    *,
    split: str | None = None,
    seed: int | None = None,
    accuracy: float | None = None,
) -> HierarchicalEvaluation:
    """How grave the mistakes of a model are on a split of a data set, and how right it is at every level of WordNet.

    The split is chosen as `evaluate` does. Every class of the model must be a noun: an id, one of ImageNet's labels, or
    a word. Heights are those in the hierarchy of the model's classes. If `accuracy` is given, the answers are also made
    as unprecise as they must be to be right so often (see `hedged`).

    Raises DataError naming classes without a synset or with several, and as `evaluate` does; UsageError for an accuracy
    that is not between 0 and 1.
    """
    if accuracy is not None and not 0 < accuracy < 1:
        raise UsageError(f"must be between 0 and 1, not {accuracy:g}", settings="accuracy")
    model = model_of(model)
    meant = meant_by(model)
    dataset = opened_for(model, data, seed)
    measured = dataset.split(split or split_to_measure(dataset))
    name = next(name for name, one in dataset.splits.items() if one is measured)
    images = labelled_for(model, dataset, measured)
    logits = predict_logits(model.module(model.network.inference), images, model.preprocess)
    found = by_wordnet(logits, images.labels, meant, data=dataset.name, split=name, unreadable=measured.unreadable)
    return found if accuracy is None else replace(found, hedged=hedged(logits, images.labels, meant, accuracy))


def by_wordnet(
    logits: NDArray[np.floating[Any]],
    labels: NDArray[np.int64],
    meant: Meant,
    *,
    data: str,
    split: str,
    unreadable: tuple[Finding, ...] = (),
) -> HierarchicalEvaluation:
    """The figures of logits (N, classes) against labels (N,), whose numbers are places in `meant.ids`."""
    guesses = min(GUESSES, len(meant.ids))
    ranked = np.argsort(-logits, axis=1, kind="stable")[:, :guesses]
    cost = severities_between(meant)
    of_guesses = cost[labels[:, None], ranked]
    first, hits = of_guesses[:, 0], ranked[:, 0] == labels
    mistakes = first[~hits]
    return HierarchicalEvaluation(
        data=data,
        split=split,
        images=len(labels),
        top1=wilson(int(hits.sum()), len(labels)),
        severities=tuple(np.bincount(first, minlength=int(cost.max()) + 1).tolist()),
        error=mean_of(first),
        error_of_guesses=mean_of(of_guesses.min(axis=1)),
        guesses=guesses,
        severity=mean_of(mistakes),
        hierarchy=meant.hierarchy,
        levels={level.wordnet_id: level for level in _levels(labels, ranked[:, 0], meant)},
        unreadable=unreadable,
    )


def _levels(labels: NDArray[np.int64], predicted: NDArray[np.int64], meant: Meant) -> Iterable[Level]:
    below = membership(meant).astype(np.int64)
    classes = len(meant.ids)
    images, answers = (np.bincount(one, minlength=classes) @ below for one in (labels, predicted))
    pairs = np.zeros((classes, classes), np.int64)
    np.add.at(pairs, (labels, predicted), 1)
    right = ((pairs.T @ below) * below).sum(axis=0)
    for place, (wordnet_id, synset) in enumerate(meant.hierarchy.items()):
        counts = int(images[place]), int(answers[place]), int(right[place])
        yield Level(wordnet_id, synset.names[0], *counts)
