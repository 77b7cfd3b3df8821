"""Class names in order, and which names that are written differently are one class."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import Finding
from convsmith.data.images import is_control
from convsmith.errors import DataError


class Named(NamedTuple):
    """Class names in order, the label of each image (N,), and what is to be said of the names."""

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    notes: tuple[Finding, ...] = ()


def class_order(names: Sequence[str]) -> tuple[str, ...]:
    """The distinct names in order: as numbers if all are, so that "10" follows "9", and else by code point."""
    distinct = set(names)
    if all(name.isascii() and name.isdigit() for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))


def name_classes(names: Sequence[str], where: str, splits: Sequence[str] | None = None) -> Named:
    """Classes and labels, from the class name of each image and, if known, its split.

    Names that differ only in Unicode's form or in blanks at an end are one class. Names that differ only in capitals
    are one class if no split has both; otherwise they are two, with a note. Raises DataError for a name that is empty
    or holds control characters.
    """
    used = Counter(zip(names, splits or [""] * len(names), strict=True))
    spelling, notes = _spellings(used, where)
    for name in spelling.values():
        check_class_name(name, where)
    classes = class_order(list(spelling.values()))
    index = {name: label for label, name in enumerate(classes)}
    return Named(classes, np.array([index[spelling[name]] for name in names], dtype=np.int64), tuple(notes))


def check_class_name(name: str, where: str) -> None:
    """Raises DataError for a name that is empty or would disturb a line of text."""
    if any(0xDC80 <= ord(letter) <= 0xDCFF for letter in name):  # how Python holds a byte that is none of a text
        raise DataError(
            f"{where}: the name of the class {name!r} is not UTF-8, or the locale is not; rename its folder"
        )
    if not name or any(map(is_control, name)):
        raise DataError(f"{where}: {name!r} cannot be a class; give it a name without control characters")


def plain(name: str) -> str:
    """A name in Unicode's composed form, without blanks around it."""
    return unicodedata.normalize("NFC", name).strip()


def _spellings(used: Counter[tuple[str, str]], where: str) -> tuple[dict[str, str], list[Finding]]:
    """What each name is written as, and notes on those that are written differently."""
    names = {name for name, _ in used}
    spelling = {name: plain(name) for name in names}
    notes = []
    for name in sorted(set(spelling.values())):
        written = sorted(given for given in names if spelling[given] == name)
        if len(written) > 1:
            notes.append(Finding(where, f"{', '.join(map(ascii, written))} are one class, {name!r}"))
    for alike in _alike(set(spelling.values())):
        by_split: dict[str, set[str]] = {}
        counts: Counter[str] = Counter()
        for (name, split), count in used.items():
            if plain(name) in alike:
                by_split.setdefault(split, set()).add(plain(name))
                counts[plain(name)] += count
        shown = ", ".join(repr(name) for name in sorted(alike))
        if any(len(found) > 1 for found in by_split.values()):
            notes.append(Finding(where, f"the classes {shown} differ only in capitals; they are kept apart"))
            continue
        best = counts.most_common(1)[0][0]
        notes.append(Finding(where, f"{shown} are one class, {best!r}: each split has only one spelling"))
        spelling |= {name: best for name in names if plain(name) in alike}
    return spelling, notes


def _alike(names: set[str]) -> list[set[str]]:
    """The names that differ in capitals only, in groups."""
    groups: dict[str, set[str]] = {}
    for name in names:
        groups.setdefault(name.casefold(), set()).add(name)
    return [groups[key] for key in sorted(groups) if len(groups[key]) > 1]
