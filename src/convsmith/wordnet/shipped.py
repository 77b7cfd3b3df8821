"""The table that ships: the 1000 classes of ILSVRC 2012 with all their ancestors, under WordNet's licence."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from convsmith.wordnet.hierarchy import Hierarchy, Synset

TABLE = "ilsvrc2012.tsv"
LICENCE = "WORDNET-LICENSE"
COLUMNS = ("wordnet_id", "sense", "names", "parents")


@cache
def shipped() -> Hierarchy:
    """The 1,860 synsets of ImageNet's classes and their ancestors (WordNet 3.0, Princeton University)."""
    rows = (line.split("\t") for line in (files(__package__) / TABLE).read_text(encoding="utf-8").splitlines()[1:])
    return Hierarchy(Synset(name, sense, _parts(names), _parts(parents)) for name, sense, names, parents in rows)


def written(synsets: Iterable[Synset]) -> str:
    """The table of synsets as text: a line for each, names and parents separated by "|"."""
    rows = ((one.wordnet_id, one.sense, "|".join(one.names), "|".join(one.parents)) for one in synsets)
    return "\n".join("\t".join(row) for row in (COLUMNS, *rows)) + "\n"


def _parts(text: str) -> tuple[str, ...]:
    return tuple(text.split("|")) if text else ()
