"""Which synset a class name means."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from convsmith.errors import DataError, UnknownNameError
from convsmith.wordnet.hierarchy import Hierarchy

ID = re.compile(r"^([a-z]\d{8})(?![0-9A-Za-z])|\(([a-z]\d{8})\)$")
"""An id as folders have it: "n02085620", "n02085620-Chihuahua", "crane (n02012849)"."""


class Meanings:
    """Looks up class names: WordNet ids, WordNet's own names ("dog.n.01"), or words in any usual spelling.

    A word of several senses means those that `among` reaches: the classes of a model, say, and their ancestors; and of
    these the one that is called by it first ("polecat" is no skunk). Where that leaves several, none is guessed: the
    error names them all.
    """

    def __init__(self, hierarchy: Hierarchy, among: Iterable[str] | None = None) -> None:
        self._hierarchy = hierarchy
        self._reached = None if among is None else frozenset().union(*map(hierarchy.ancestors, among))
        self._words: dict[str, list[str]] = defaultdict(list)
        self._senses = {}
        for wordnet_id, synset in hierarchy.items():
            self._senses[synset.sense.casefold()] = wordnet_id
            for name in synset.names:
                self._words[spelled(name)].append(wordnet_id)

    def of(self, name: str) -> str:
        """The WordNet id that a class name means.

        Raises UnknownNameError with the nearest names, DataError for a word with several meanings, naming them.
        """
        wordnet_id = id_in(name)
        if wordnet_id is not None:
            return self._hierarchy[wordnet_id].wordnet_id
        if name.casefold() in self._senses:
            return self._senses[name.casefold()]
        found = list(dict.fromkeys(self._words.get(spelled(name), ())))
        if not found:
            raise UnknownNameError("noun", name, self._words)
        reached = [one for one in found if self._reached is None or one in self._reached] or found
        meant = [one for one in reached if spelled(self._hierarchy[one].names[0]) == spelled(name)] or reached
        if len(meant) > 1:
            choices = ", ".join(f"{one} ({self._kind(one)})" for one in meant)
            raise DataError(f"{name!r} has {len(meant)} meanings; call the class by the id of one: {choices}")
        return meant[0]

    def _kind(self, wordnet_id: str) -> str:
        """What tells a sense from others: what it is a kind of."""
        parents = self._hierarchy[wordnet_id].parents
        return f"a kind of {self._hierarchy[parents[0]].names[0]}" if parents else "everything"


def synsets_of(names: Sequence[str], hierarchy: Hierarchy, among: Iterable[str] | None = None) -> Mapping[str, str]:
    """The WordNet id of each class name.

    Raises DataError naming all classes without a synset, of several meanings, or of the same one.
    """
    meanings, found, wrong = Meanings(hierarchy, among), {}, []
    for name in names:
        try:
            found[name] = meanings.of(name)
        except (UnknownNameError, DataError) as error:
            wrong.append(str(error))
    if wrong:
        more = f"; {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise DataError("; ".join(wrong[:5]) + more)
    holders: dict[str, str] = {}
    for name, wordnet_id in found.items():
        if wordnet_id in holders:
            raise DataError(f"{holders[wordnet_id]!r} and {name!r} both mean {hierarchy[wordnet_id]}")
        holders[wordnet_id] = name
    return found


def id_in(name: str) -> str | None:
    """The WordNet id at the start of a name or in brackets after it; None where there is none."""
    match = ID.search(name)
    return match and (match[1] or match[2])


def spelled(word: str) -> str:
    """A word as words are compared: without case, hyphens and underscores as blanks."""
    return " ".join(re.sub(r"[_\-\s]+", " ", word).split()).casefold()
