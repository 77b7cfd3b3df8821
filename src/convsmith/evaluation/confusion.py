"""Which classes are mistaken for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MOST_CLASSES = 30
"""Up to this many classes the whole confusion matrix is shown; beyond, the pairs most often confused."""

PAIRS = 20

Confusion = Mapping[tuple[int, int], int]
"""(class, predicted class) -> number of images; pairs without images may be missing."""


def most_confused(confusion: Confusion, classes: Sequence[str]) -> list[tuple[int, str, str]]:
    """The pairs most often confused, at most `PAIRS`: number of images, class, predicted class."""
    found = [(count, classes[i], classes[j]) for (i, j), count in confusion.items() if i != j and count]
    return sorted(found, reverse=True)[:PAIRS]
