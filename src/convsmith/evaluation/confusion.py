"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MOST_CLASSES = 30
"""Above which the confusion of each class with each is not shown, but the pairs most often confused."""

PAIRS = 20

Confusion = Mapping[tuple[int, int], int]
"""How many images of the first class were called the second; pairs without any may be missing."""


def most_confused(confusion: Confusion, classes: Sequence[str]) -> list[tuple[int, str, str]]:
    """The pairs of classes most often confused, at most `PAIRS`: images, what they are, what they are called."""
    found = [(count, classes[i], classes[j]) for (i, j), count in confusion.items() if i != j and count]
    return sorted(found, reverse=True)[:PAIRS]
