"""WordNet's own database, where it is installed (Debian: wordnet-base): all 82,115 noun synsets.

The format is documented in wndb(5WN). Two files are read: `data.noun`, a synset a line, and `index.noun`, which has a
word's senses in the order of their numbers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from convsmith.errors import DataError
from convsmith.wordnet.hierarchy import Hierarchy, Synset

PLACES = ("/usr/share/wordnet", "/usr/local/WordNet-3.0/dict", "/usr/local/share/wordnet")
HYPERNYMS = ("@", "@i")
"""Pointers to what a synset is a kind of, and to what it is an instance of."""

MOST_BYTES = 64 << 20
"""Of a database file. The published ones have 15 MB."""


def installed() -> Hierarchy | None:
    """All nouns of the WordNet that is installed; None where there is none.

    It is looked for where WordNet's own programs look, in `WNSEARCHDIR` and `WNHOME`, and where packages put it.
    """
    home = os.environ.get("WNHOME")
    named = (os.environ.get("WNSEARCHDIR"), home and f"{home}/dict", *PLACES)
    found = next((Path(place) for place in named if place and (Path(place) / "data.noun").is_file()), None)
    return None if found is None else read_database(found)


@cache
def read_database(folder: Path) -> Hierarchy:
    """The nouns of a WordNet database folder. Raises DataError naming the file and line that cannot be read."""
    numbers = dict(_senses(folder / "index.noun"))
    return Hierarchy(_synsets(folder / "data.noun", numbers))


def _synsets(path: Path, numbers: dict[tuple[str, str], int]) -> Iterator[Synset]:
    for number, line in _lines(path):
        try:
            offset, _, kind, count, *rest = line.partition(" | ")[0].split()
            words = rest[: 2 * int(count, 16) : 2]
            pointers = rest[2 * len(words) + 1 :]
            if kind != "n" or len(pointers) != 4 * int(rest[2 * len(words)]):
                raise ValueError("not as many pointers as it says")
            parents = [pointers[i + 1] for i in range(0, len(pointers), 4) if pointers[i] in HYPERNYMS]
            lemma = words[0].lower()
            sense = f"{lemma}.n.{numbers[lemma, offset]:02d}"
        except (ValueError, IndexError, KeyError) as error:
            raise DataError(f"{path}, line {number}: not a noun as WordNet 3.0 writes them ({error})") from None
        names = tuple(word.replace("_", " ") for word in words)
        yield Synset(f"n{offset}", sense, names, tuple(dict.fromkeys(f"n{parent}" for parent in parents)))


def _senses(path: Path) -> Iterator[tuple[tuple[str, str], int]]:
    """(word, offset) and the number of that sense, from 1."""
    for number, line in _lines(path):
        try:
            lemma, _, count, *rest = line.split()
            offsets = rest[-int(count) :]
            if len(offsets) != int(count) or not all(len(offset) == 8 for offset in offsets):
                raise ValueError("not as many senses as it says")
        except ValueError as error:
            raise DataError(f"{path}, line {number}: not a word as WordNet 3.0 writes them ({error})") from None
        for sense, offset in enumerate(offsets, 1):
            yield (lemma, offset), sense


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines with their numbers, without the licence above them."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{path} has more than {MOST_BYTES >> 20} MB; WordNet's has 15")
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from ((number, line) for number, line in enumerate(file, 1) if not line.startswith("  "))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
