"""What a source says it holds, before anything is checked or split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import Finding
from convsmith.data.decode.decoding import USUAL, Decoding
from convsmith.data.images import AnyImages
from convsmith.data.sources.naming.split_names import SPLITS, split_of
from convsmith.errors import DataError


@dataclass(frozen=True, eq=False)
class Listing:
    """Images with labels (N,), indices into `classes`, and the `rows` of each split that the source knows.

    A source without splits has all its rows in "train". `findings` are things that were left out already, `notes` what
    else is to be said. `decoding` is how images in memory were made; files are decoded later.
    """

    name: str
    classes: tuple[str, ...]
    images: AnyImages
    labels: NDArray[np.int64]
    rows: Mapping[str, NDArray[np.int64]]
    root: Path | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
    decoding: Decoding = USUAL


def rows_by_split(splits: Sequence[str], where: str) -> dict[str, NDArray[np.int64]]:
    """The rows of each split, from what the source calls the split of each image. Raises DataError for other names."""
    known = {name: split_of(name) for name in set(splits)}
    for name in sorted(name for name, split in known.items() if split is None):
        raise DataError(f"{where}: unknown split {name!r}; known: {', '.join(SPLITS)}")
    ours = np.array([known[name] for name in splits])
    return {name: np.flatnonzero(ours == name) for name in dict.fromkeys(SPLITS.values()) if (ours == name).any()}
