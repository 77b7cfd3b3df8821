"""What a model's and a data set's classes are in WordNet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.errors import DataError, UnknownNameError
from convsmith.model import Model
from convsmith.weights.imagenet import labels, synsets
from convsmith.wordnet import Hierarchy, installed, shipped, synsets_of

NOT_INSTALLED = (
    "convsmith has ImageNet's classes and what is above them; for other nouns install WordNet (Debian: "
    "wordnet-base), or set WNSEARCHDIR to the folder of its database"
)


@dataclass(frozen=True, eq=False)
class Meant:
    """The WordNet id of each class, in order, and the hierarchy of these classes and their ancestors."""

    ids: tuple[str, ...]
    hierarchy: Hierarchy


def meant_by(model: Model) -> Meant:
    """What the model's classes are: by the ids in its provenance, as ImageNet's labels, or by name.

    Raises DataError naming the classes without a synset, with several meanings, or with the same one.
    """
    given = tuple(model.provenance.get("wordnet_ids", ()))
    published = dict(zip(labels(), (synset.wordnet_id for synset in synsets()), strict=True))
    if len(given) == len(model.classes):
        ids = given
    elif all(name in published for name in model.classes):
        ids = tuple(published[name] for name in model.classes)
    else:
        ids = ()

    def found(hierarchy: Hierarchy) -> tuple[str, ...]:
        return tuple(hierarchy[one].wordnet_id for one in ids) or tuple(synsets_of(model.classes, hierarchy).values())

    whole, meant = _in_the_first(found)
    return Meant(meant, whole.above(meant))


def severities_between(meant: Meant) -> NDArray[np.int64]:
    """The severity of taking each class for each other (classes, classes), symmetric, 0 on the diagonal.

    Ancestors are visited from the highest down, and each gives its height to all pairs below it.
    """
    below = membership(meant)
    heights = np.array([meant.hierarchy.heights[name] for name in meant.hierarchy])
    cost = np.zeros((len(meant.ids),) * 2, np.int64)
    for place in np.argsort(-heights, kind="stable"):
        members = np.flatnonzero(below[:, place])
        cost[np.ix_(members, members)] = heights[place]
    np.fill_diagonal(cost, 0)
    return cost


def membership(meant: Meant) -> NDArray[np.bool_]:
    """Which classes are a kind of which synset (classes, synsets), the synsets in the hierarchy's order."""
    places = {name: place for place, name in enumerate(meant.hierarchy)}
    below = np.zeros((len(meant.ids), len(places)), np.bool_)
    for row, wordnet_id in enumerate(meant.ids):
        below[row, [places[name] for name in meant.hierarchy.ancestors(wordnet_id)]] = True
    return below


def outputs_by_class(model: Model, classes: Sequence[str]) -> Mapping[str, NDArray[np.int64]]:
    """The model's outputs that are a kind of each class: of "dog", those of all breeds.

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
    return groups


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
