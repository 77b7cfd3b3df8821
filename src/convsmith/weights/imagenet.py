"""The 1000 classes of ImageNet's ILSVRC 2012, in the order that every published classifier uses."""

from __future__ import annotations

from collections import Counter
from functools import cache
from importlib.resources import files
from typing import NamedTuple

CLASSES = 1000


class Synset(NamedTuple):
    """A set of synonyms: its WordNet id and its names, as "n02123045" and "tabby", "tabby cat"."""

    wordnet_id: str
    names: tuple[str, ...]


@cache
def synsets() -> tuple[Synset, ...]:
    text = (files(__package__) / "imagenet.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines()[1:])
    return tuple(Synset(wordnet_id, tuple(names.split(", "))) for _, wordnet_id, names in rows)


@cache
def labels() -> tuple[str, ...]:
    """A name for each class: its first, followed by the WordNet id where two classes share it ("crane")."""
    taken = Counter(synset.names[0] for synset in synsets())
    return tuple(names[0] if taken[names[0]] == 1 else f"{names[0]} ({wordnet_id})" for wordnet_id, names in synsets())
