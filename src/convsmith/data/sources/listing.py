"""What a source says it holds, before anything is checked or split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import Finding
from convsmith.data.images import ArrayImages, FileImages
from convsmith.errors import DataError

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""What sources call the splits, and what we call them."""


@dataclass(frozen=True, eq=False)
class Listing:
    """Images with labels (N,), indices into `classes`, and the `rows` of each split that the source knows.

    A source without splits has all its rows in "train". `findings` are things that were left out already.
    """

    name: str
    classes: tuple[str, ...]
    images: ArrayImages | FileImages
    labels: NDArray[np.int64]
    rows: Mapping[str, NDArray[np.int64]]
    root: Path | None = None
    findings: tuple[Finding, ...] = ()


def class_order(names: Sequence[str]) -> tuple[str, ...]:
    """The distinct names in order: as numbers if all are, so that "10" follows "9", and else by code point."""
    distinct = set(names)
    if all(name.isascii() and name.isdigit() for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))


def labelled(names: Sequence[str], where: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Class names in order and the label of each image, from the class name of each.

    Raises DataError for a class without a name, or one that cannot be written.
    """
    classes = class_order(names)
    for name in classes:
        if not name or not name.isprintable():
            raise DataError(f"{where}: {name!r} cannot be a class; give it a name of printable characters")
    index = {name: label for label, name in enumerate(classes)}
    return classes, np.array([index[name] for name in names], dtype=np.int64)


def rows_by_split(splits: Sequence[str], where: str) -> dict[str, NDArray[np.int64]]:
    """The rows of each split, from what the source calls the split of each image. Raises DataError for other names."""
    for name in set(splits) - SPLITS.keys():
        raise DataError(f"{where}: unknown split {name!r}; known: {', '.join(SPLITS)}")
    ours = np.array([SPLITS[name] for name in splits])
    return {name: np.flatnonzero(ours == name) for name in dict.fromkeys(SPLITS.values()) if (ours == name).any()}
