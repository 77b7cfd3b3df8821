"""Synsets under their hypernyms: a directed acyclic graph, for some synsets have several parents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from convsmith.errors import UnknownNameError, UsageError

KINDS = {"v": "a verb", "a": "an adjective", "s": "an adjective", "r": "an adverb"}
"""What the letter before an offset says of a synset that is no noun."""


@dataclass(frozen=True)
class Synset:
    """A set of synonymous nouns.

    `wordnet_id` is ImageNet's id, "n" and the offset in WordNet 3.0; `sense` WordNet's own name, such as "dog.n.01";
    `names` its synonyms, the commonest first; `parents` the ids of what it is a kind of, or an instance of.
    """

    wordnet_id: str
    sense: str
    names: tuple[str, ...]
    parents: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.names[0]} ({self.wordnet_id})"


class Hierarchy(Mapping[str, Synset]):
    """Synsets by WordNet id, each with all of its ancestors.

    Distances are counted in edges. Raises UsageError where a parent is missing or the graph has a cycle.
    """

    def __init__(self, synsets: Iterable[Synset]) -> None:
        self._synsets = {synset.wordnet_id: synset for synset in synsets}
        self._ancestors: dict[str, frozenset[str]] = {}
        for synset in self._synsets.values():
            for parent in synset.parents:
                if parent not in self._synsets:
                    raise UsageError(f"{synset} is a kind of {parent}, which the hierarchy does not have")

    def __getitem__(self, wordnet_id: str) -> Synset:
        """Raises UnknownNameError with the nearest ids; UsageError for a synset that is no noun."""
        found = self._synsets.get(wordnet_id)
        if found is not None:
            return found
        if wordnet_id[:1] in KINDS and wordnet_id[1:].isdecimal():
            raise UsageError(f"{wordnet_id} is {KINDS[wordnet_id[0]]}; classes are nouns, such as n02084071")
        raise UnknownNameError("WordNet id", wordnet_id, self._synsets)

    def __contains__(self, wordnet_id: object) -> bool:
        return wordnet_id in self._synsets

    def __iter__(self) -> Iterator[str]:
        return iter(self._synsets)

    def __len__(self) -> int:
        return len(self._synsets)

    @cached_property
    def children(self) -> Mapping[str, tuple[str, ...]]:
        """The ids of the kinds of each synset."""
        below: dict[str, list[str]] = {name: [] for name in self._synsets}
        for name, synset in self._synsets.items():
            for parent in synset.parents:
                below[parent].append(name)
        return {name: tuple(kinds) for name, kinds in below.items()}

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """The ids of the synsets without parents; "entity" alone where there are WordNet's nouns."""
        return tuple(name for name, synset in self._synsets.items() if not synset.parents)

    def ancestors(self, wordnet_id: str) -> frozenset[str]:
        """The ids of a synset and of everything that it is a kind of. Raises as indexing does."""
        if wordnet_id not in self._ancestors:
            parents = self[wordnet_id].parents
            self._ancestors[wordnet_id] = frozenset({wordnet_id}.union(*map(self.ancestors, parents)))
        return self._ancestors[wordnet_id]

    @cached_property
    def heights(self) -> Mapping[str, int]:
        """The edges on the longest way down from each synset; 0 where it has no kinds."""
        heights: dict[str, int] = {}
        for name in reversed(self.in_order):
            heights[name] = max((heights[kind] + 1 for kind in self.children[name]), default=0)
        return heights

    @cached_property
    def depths(self) -> Mapping[str, int]:
        """The edges on the shortest way up from each synset to a root."""
        depths: dict[str, int] = {}
        for name in self.in_order:
            depths[name] = min((depths[parent] + 1 for parent in self._synsets[name].parents), default=0)
        return depths

    @cached_property
    def in_order(self) -> tuple[str, ...]:
        """All ids, parents before their kinds. Raises UsageError where there is a cycle."""
        from graphlib import CycleError, TopologicalSorter

        try:
            return tuple(TopologicalSorter({name: s.parents for name, s in self._synsets.items()}).static_order())
        except CycleError as error:
            raise UsageError(f"{error.args[1][0]} is a kind of itself in this hierarchy") from None

    def above(self, leaves: Iterable[str]) -> Hierarchy:
        """The hierarchy of these synsets and their ancestors alone. Heights in it are over these leaves."""
        wanted = frozenset().union(*map(self.ancestors, leaves))
        return Hierarchy(synset for name, synset in self._synsets.items() if name in wanted)

    def lowest_common(self, one: str, other: str) -> str:
        """The id of the lowest common ancestor: of those shared, the one of the smallest height.

        Of several of that height, the deepest, then the first by id. Raises UsageError where they share none.
        """
        shared = self.ancestors(one) & self.ancestors(other)
        if not shared:
            raise UsageError(f"{self[one]} and {self[other]} have no ancestor in common")
        return min(shared, key=lambda name: (self.heights[name], -self.depths[name], name))

    def severity(self, true: str, predicted: str) -> int:
        """How grave a mistake is: the height of the lowest common ancestor, 0 for a right answer.

        This is the hierarchical cost of ILSVRC 2010 (Deng et al. 2010, "What does classifying more than 10,000 image
        categories tell us?", section 5.3).
        """
        return 0 if true == predicted else self.heights[self.lowest_common(true, predicted)]

    def distance(self, one: str, other: str) -> int:
        """The edges on the shortest way from one synset up to a common ancestor and down to the other.

        Raises UsageError where they share none.
        """
        ups = self._steps_up(one), self._steps_up(other)
        shared = ups[0].keys() & ups[1].keys()
        if not shared:
            raise UsageError(f"{self[one]} and {self[other]} have no ancestor in common")
        return min(ups[0][name] + ups[1][name] for name in shared)

    def path(self, wordnet_id: str) -> tuple[Synset, ...]:
        """The shortest way from a root down to a synset, both included."""
        way = [self[wordnet_id]]
        while way[-1].parents:
            way.append(self[min(way[-1].parents, key=lambda parent: (self.depths[parent], parent))])
        return tuple(reversed(way))

    def _steps_up(self, start: str) -> dict[str, int]:
        """The edges on the shortest way from a synset to each of its ancestors."""
        steps, reached = {self[start].wordnet_id: 0}, [start]
        for name in reached:  # grows as it goes: breadth first
            for parent in self._synsets[name].parents:
                if parent not in steps:
                    steps[parent] = steps[name] + 1
                    reached.append(parent)
        return steps
