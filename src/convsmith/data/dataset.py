"""The value that every source of images becomes: classes, and splits of images with labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from convsmith.errors import DataError


class Images(Protocol):
    """Decoded images by index: uint8 RGB of shape (H, W, 3)."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    def name(self, index: int) -> str:
        """What to call this image in a message: its path, or its index in its file."""
        ...


SMALL_SIDE = 48
"""Pixels up to which a picture is small: the early strides of networks for photographs would leave nothing to see."""


@dataclass(frozen=True)
class Finding:
    """Something the doctor saw: which file, class or split, and why it matters."""

    subject: str
    reason: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}"


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels (indices into the data set's classes), int64 of shape (N,)."""

    images: Images
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint8], int]]:
        return ((self.images[i], int(self.labels[i])) for i in range(len(self)))


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set opened and checked: what `convsmith.data.open_dataset` returns.

    `channels` is 1 when every image is grey, else 3. `size` is the median (height, width).
    `fingerprint` is a SHA-256 over classes, splits, names and sizes of files (or array bytes).
    """

    name: str
    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    channels: int
    size: tuple[int, int]
    fingerprint: str
    skipped: tuple[Finding, ...] = ()
    root: Path | None = None

    def split(self, name: str) -> Split:
        """The split of this name. Raises DataError listing the splits there are."""
        try:
            return self.splits[name]
        except KeyError:
            raise DataError(f"{self.name} has no split {name!r}; it has: {', '.join(self.splits)}") from None
