"""The shipped synsets as a WordNet database, for readers of that format: offsets are bytes, so all ids are new."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from convsmith.wordnet import Hierarchy

HEAD = "  1 In the form of WordNet 3.0, Copyright 2006 by Princeton University.  \n"


def write_database(hierarchy: Hierarchy, folder: Path) -> dict[str, str]:
    """Writes the database. Returns the id in it of each synset."""
    offsets, place = {}, len(HEAD)
    for name in hierarchy:
        offsets[name] = f"{place:08d}"
        place += len(_line(hierarchy, name, defaultdict(lambda: "00000000")).encode())
    text = HEAD + "".join(_line(hierarchy, name, offsets) for name in hierarchy)
    (folder / "data.noun").write_text(text, encoding="utf-8")
    (folder / "index.noun").write_text(HEAD + "".join(_index(hierarchy, offsets)), encoding="utf-8")
    (folder / "lexnames").write_text("".join(f"{i:02d}\tlex.{i}\t1\n" for i in range(45)))
    for kind in ("adj", "adv", "verb"):
        for file in (f"data.{kind}", f"index.{kind}", f"{kind}.exc"):
            (folder / file).write_text("")
    (folder / "noun.exc").write_text("")
    return {name: f"n{offset}" for name, offset in offsets.items()}


def _line(hierarchy: Hierarchy, name: str, offsets: dict[str, str]) -> str:
    synset = hierarchy[name]
    words = " ".join(f"{word.replace(' ', '_')} 0" for word in synset.names)
    up = [f"@ {offsets[parent]} n 0000" for parent in synset.parents]
    down = [f"~ {offsets[kind]} n 0000" for kind in hierarchy.children[name]]
    pointers = " ".join([f"{len(up) + len(down):03d}", *up, *down])
    return f"{offsets[name]} 03 n {len(synset.names):02x} {words} {pointers} | a noun  \n"


def _index(hierarchy: Hierarchy, offsets: dict[str, str]) -> list[str]:
    senses: dict[str, list[str]] = defaultdict(list)
    for name, synset in hierarchy.items():
        for word in synset.names:
            senses[word.replace(" ", "_").lower()].append(offsets[name])
    return [f"{word} n {len(found)} 1 @ {len(found)} 0 {' '.join(found)}  \n" for word, found in sorted(senses.items())]
