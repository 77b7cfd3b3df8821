"""What a model's and a data set's classes are in WordNet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.errors import DataError, UnknownNameError
from convsmith.model import Model
from convsmith.weights.imagenet import labels, synsets
from convsmith.wordnet import Hierarchy, Synset, installed, shipped, synsets_of

EXAMPLES = 3
"""Outputs of a class that are named."""

NOT_INSTALLED = (
    "convsmith has ImageNet's classes and what is above them; for other nouns install WordNet (Debian: "
    "wordnet-base), or set WNSEARCHDIR to the folder of its database"
)


@dataclass(frozen=True, eq=False)
class Meant:
    """The WordNet id of each output of a model and of each class of the data, in order, and the hierarchy above them.

    A class of the data may be more general than the outputs: an image of a "dog" is answered well by any breed.
    """

    ids: tuple[str, ...]
    truths: tuple[str, ...]
    hierarchy: Hierarchy

    @classmethod
    def of(cls, ids: tuple[str, ...], truths: tuple[str, ...], whole: Hierarchy) -> Meant:
        """With the part of a hierarchy that is above these synsets."""
        return cls(ids, truths, whole.above((*ids, *truths)))


def meant_by(model: Model, classes: Sequence[str] | None = None) -> Meant:
    """What the model's outputs and the data's classes are; without classes, these are the model's own.

    Outputs are known by the ids in the model's provenance, as ImageNet's labels, or by name; so are classes that the
    model has, and others by name. Raises DataError naming those without a synset, with several meanings, or with the
    same one.
    """
    given = tuple(model.provenance.get("wordnet_ids", ()))
    published = dict(zip(labels(), (synset.wordnet_id for synset in synsets()), strict=True))
    if len(given) == len(model.classes):
        ids = given
    elif all(name in published for name in model.classes):
        ids = tuple(published[name] for name in model.classes)
    else:
        ids = ()

    def found(hierarchy: Hierarchy) -> tuple[tuple[str, ...], tuple[str, ...]]:
        outputs = tuple(hierarchy[one].wordnet_id for one in ids)
        outputs = outputs or tuple(synsets_of(model.classes, hierarchy).values())
        own = dict(zip(model.classes, outputs, strict=True))
        others = synsets_of([name for name in classes or () if name not in own], hierarchy, among=outputs)
        return outputs, tuple((own | dict(others))[name] for name in classes or model.classes)

    whole, (outputs, truths) = _in_the_first(found)
    return Meant.of(outputs, truths, whole)


def severities(meant: Meant) -> NDArray[np.int64]:
    """The severity of each output for an image of each class (classes, outputs): 0 for the class and all of its kinds.

    Synsets are visited from the highest down, and each gives its height to all pairs below it.
    """
    outputs, truths = membership(meant.ids, meant.hierarchy), membership(meant.truths, meant.hierarchy)
    heights = np.array([meant.hierarchy.heights[name] for name in meant.hierarchy])
    cost = np.zeros((len(meant.truths), len(meant.ids)), np.int64)
    for place in np.argsort(-heights, kind="stable"):
        cost[np.ix_(np.flatnonzero(truths[:, place]), np.flatnonzero(outputs[:, place]))] = heights[place]
    places = [list(meant.hierarchy).index(name) for name in meant.truths]
    cost[outputs[:, places].T] = 0
    return cost


def membership(ids: Sequence[str], hierarchy: Hierarchy) -> NDArray[np.bool_]:
    """Which of the ids are a kind of which synset (ids, synsets), the synsets in the hierarchy's order."""
    places = {name: place for place, name in enumerate(hierarchy)}
    below = np.zeros((len(ids), len(places)), np.bool_)
    for row, wordnet_id in enumerate(ids):
        below[row, [places[name] for name in hierarchy.ancestors(wordnet_id)]] = True
    return below


def specific(truths: Sequence[str], hierarchy: Hierarchy) -> NDArray[np.bool_]:
    """Which synsets are a kind of which class (classes, synsets), the class itself included.

    Whether an image of a "dog" shows a Chihuahua, nobody said.
    """
    return membership(tuple(hierarchy), hierarchy)[:, [list(hierarchy).index(name) for name in truths]].T


@dataclass(frozen=True, eq=False)
class Meaning:
    """What a class of the data was taken for: a synset, and the model's outputs that are a kind of it, (K,).

    `examples` are the names of a few of these.
    """

    name: str
    synset: Synset
    outputs: NDArray[np.int64]
    examples: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        synset = {"wordnet_id": self.synset.wordnet_id, "sense": self.synset.sense, "names": list(self.synset.names)}
        return {"name": self.name, **synset, "outputs": self.outputs.tolist()}

    def __str__(self) -> str:
        count = len(self.outputs)
        kinds = f"1 class, {self.examples[0]}" if count == 1 else f"{count:,} classes, such as {self.examples[0]}"
        names = ", ".join(self.synset.names)
        return f"{self.name}: {self.synset.sense} ({self.synset.wordnet_id}: {names}); {kinds}"


def meanings_of(model: Model, classes: Sequence[str]) -> tuple[Meaning, ...]:
    """What each class means, with the model's outputs that are a kind of it: of "dog", those of all breeds.

    Raises DataError for a class without a synset, one that the model knows no kind of, and two that share an output.
    """
    own = meant_by(model)

    def found(hierarchy: Hierarchy) -> dict[str, str]:
        return dict(synsets_of(classes, hierarchy, among=own.ids))

    whole, meant = _in_the_first(found)
    above = [whole.ancestors(one) for one in own.ids]
    groups = {
        name: np.array([place for place, known in enumerate(above) if wordnet_id in known], np.int64)
        for name, wordnet_id in meant.items()
    }
    empty = [name for name, places in groups.items() if not len(places)]
    if empty:
        raise DataError(f"no class of the model ({model.network.name}) is a kind of {', '.join(empty[:5])}")
    owner: dict[int, str] = {}
    for name, places in groups.items():
        for place in places.tolist():
            if place in owner:
                shared = f"{model.classes[place]} is a kind of both {owner[place]} and {name}"
                raise DataError(f"{shared}: the classes of the data must exclude each other")
            owner[place] = name
    return tuple(
        Meaning(name, whole[meant[name]], places, tuple(model.classes[place] for place in places[:EXAMPLES]))
        for name, places in groups.items()
    )


def summed(logits: NDArray[np.float32], groups: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Logits (N, outputs) as those of groups of outputs (N, groups): the logarithm of each group's probability."""
    from scipy.special import log_softmax, logsumexp  # type: ignore[import-untyped]

    each = log_softmax(logits.astype(np.float64), axis=1)
    return np.stack([logsumexp(each[:, places], axis=1) for places in groups], axis=1)


def _in_the_first(found: Callable[[Hierarchy], Any]) -> tuple[Hierarchy, Any]:
    """What is found in the table that ships, or else in the WordNet that is installed; and that hierarchy."""
    try:
        return shipped(), found(shipped())
    except (DataError, UnknownNameError) as error:
        whole = installed()
        if whole is None:
            raise DataError(f"{error}; {NOT_INSTALLED}") from None
        return whole, found(whole)
