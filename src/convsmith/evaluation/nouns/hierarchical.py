"""A classifier measured by WordNet: how grave its mistakes are, and how often it is right at any level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import Dataset, Finding
from convsmith.errors import UsageError
from convsmith.evaluation.inference import predict_logits
from convsmith.evaluation.measured import opened_for, split_to_measure
from convsmith.evaluation.metrics import Interval, left_out, mean_of, wilson
from convsmith.evaluation.nouns.hedging import Hedged, hedged
from convsmith.evaluation.nouns.meaning import Meant, meant_by, membership, severities, specific
from convsmith.model import Model
from convsmith.resolve import model_of
from convsmith.wordnet import Hierarchy, Meanings

GUESSES = 5
"""Of which the mildest counts, as in ILSVRC 2010."""


@dataclass(frozen=True, slots=True)
class Level:
    """A synset and what was predicted below it.

    `images` have a class that is a kind of it, `predicted` were given one, `right` both. Images whose class is more
    general, a "dog" at "Chihuahua", are not counted.
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


@dataclass(frozen=True, slots=True)
class Mistake:
    """Images of a class that were given the same wrong answer; `common` is the id of the lowest kind of both."""

    images: int
    true: str
    answer: str
    common: str
    severity: int


@dataclass(frozen=True)
class HierarchicalEvaluation:
    """A model's answers on a split, by WordNet.

    `severities[h]` counts the images whose lowest common ancestor with the best guess has height h; 0 is a right
    answer. `error` is their mean, the hierarchical error of ILSVRC 2010 for one guess; `error_of_guesses` is that of
    the mildest of `guesses`. `severity` is the mean over mistakes alone (Bertinetto et al. 2020, arXiv 1912.09393,
    section 4.1). `mistakes` are by class and answer, the commonest first. `levels` has a row for each synset of the
    hierarchy, and `hedged` what is gained by answering less precisely where the model is unsure, if that was asked for.
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
    mistakes: tuple[Mistake, ...] = ()
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
            "mistakes": [asdict(mistake) for mistake in self.mistakes],
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

    The split is chosen as `evaluate` does. Every class of the model and of the data must be a noun: an id, one of
    ImageNet's labels, or a word; the data's may be more general. Heights are those in the hierarchy of both. If
    `accuracy` is given, the answers are also made less precise, as far as they must be to be right so often (see
    `hedged`).

    Raises DataError naming classes without a synset or with several, and as `evaluate` does; UsageError for an accuracy
    that is not between 0 and 1.
    """
    if accuracy is not None and not 0 < accuracy < 1:
        raise UsageError(f"must be between 0 and 1, not {accuracy:g}", settings="accuracy")
    model = model_of(model)
    dataset = opened_for(model, data, seed)
    meant = meant_by(model, dataset.classes)
    measured = dataset.split(split or split_to_measure(dataset))
    name = next(name for name, one in dataset.splits.items() if one is measured)
    logits = predict_logits(model.module(model.network.inference), measured, model.preprocess)
    found = by_wordnet(logits, measured.labels, meant, data=dataset.name, split=name, unreadable=measured.unreadable)
    return found if accuracy is None else replace(found, hedged=hedged(logits, measured.labels, meant, accuracy))


def by_wordnet(
    logits: NDArray[np.floating[Any]],
    labels: NDArray[np.int64],
    meant: Meant,
    *,
    data: str,
    split: str,
    unreadable: tuple[Finding, ...] = (),
) -> HierarchicalEvaluation:
    """The figures of logits (N, outputs) against labels (N,), whose numbers are places in `meant.truths`."""
    guesses = min(GUESSES, len(meant.ids))
    ranked = np.argsort(-logits, axis=1, kind="stable")[:, :guesses]
    cost = severities(meant)
    of_guesses = cost[labels[:, None], ranked]
    first = of_guesses[:, 0]
    hits = first == 0
    return HierarchicalEvaluation(
        data=data,
        split=split,
        images=len(labels),
        top1=wilson(int(hits.sum()), len(labels)),
        severities=tuple(np.bincount(first, minlength=int(cost.max()) + 1).tolist()),
        error=mean_of(first),
        error_of_guesses=mean_of(of_guesses.min(axis=1)),
        guesses=guesses,
        severity=mean_of(first[~hits]),
        hierarchy=meant.hierarchy,
        levels={level.wordnet_id: level for level in _levels(labels, ranked[:, 0], meant)},
        mistakes=_mistakes(labels[~hits], ranked[~hits, 0], meant),
        unreadable=unreadable,
    )


def _mistakes(labels: NDArray[np.int64], predicted: NDArray[np.int64], meant: Meant) -> tuple[Mistake, ...]:
    counts = Counter(zip(labels.tolist(), predicted.tolist(), strict=True))
    found = []
    for (label, answer), images in counts.most_common():
        true, answered = meant.truths[label], meant.ids[answer]
        common = meant.hierarchy.lowest_common(true, answered)
        found.append(Mistake(images, true, answered, common, meant.hierarchy.heights[common]))
    return tuple(found)


def _levels(labels: NDArray[np.int64], predicted: NDArray[np.int64], meant: Meant) -> Iterable[Level]:
    """A row for each synset. Images whose class is more general do not count: what they show is not known."""
    outputs = membership(meant.ids, meant.hierarchy).astype(np.int64)
    truths = membership(meant.truths, meant.hierarchy).astype(np.int64)
    known = (~specific(meant.truths, meant.hierarchy) | (truths > 0)).astype(np.int64)
    pairs = np.zeros((len(meant.truths), len(meant.ids)), np.int64)
    np.add.at(pairs, (labels, predicted), 1)
    below = pairs @ outputs  # (classes, synsets): answers below each synset, by the images' class
    images = pairs.sum(axis=1) @ truths
    answers, right = (below * known).sum(axis=0), (below * truths).sum(axis=0)
    for place, (wordnet_id, synset) in enumerate(meant.hierarchy.items()):
        counts = int(images[place]), int(answers[place]), int(right[place])
        yield Level(wordnet_id, synset.names[0], *counts)
