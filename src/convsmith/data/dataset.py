"""The value that every source of images becomes: classes, and splits of images with labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from convsmith.data.decode.decoding import USUAL, Decoding
from convsmith.errors import DataError, UsageError


@runtime_checkable
class Images(Protocol):
    """Decoded images by index: uint8 RGB of shape (H, W, 3)."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    def name(self, index: int) -> str:
        """What to call this image in a message: its path, or its index in its file."""
        ...


@runtime_checkable
class InMemory(Protocol):
    """Images that are one array: uint8 (N, H, W, C); or features: floats of any shape, handed over as they are."""

    @property
    def array(self) -> NDArray[Any]: ...


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
    """Images and their labels (indices into the data set's classes), int64 of shape (N,).

    `content`, int64 (N,), is alike for images of the same bytes (of files) or pixels (of arrays); None where images are
    something else.

    `unreadable` are the files that belong here and cannot be read; of splits that were carved out of another, that
    one's.
    """

    images: Images
    labels: NDArray[np.int64]
    content: NDArray[np.int64] | None = None
    unreadable: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint8], int]]:
        return ((self.images[i], int(self.labels[i])) for i in range(len(self)))


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set opened and checked: what `convsmith.data.open_dataset` and `Dataset.from_arrays` return.

    `channels` is 1 when every image is grey, else 3. `size` is the median (height, width).
    `fingerprint` is a SHA-256 over classes, splits, labels and contents of images. `skipped` is what was left out, and
    `unusable` how many files of it there were; `notes` is what else is to be known. `made_splits` were made here, out
    of train, by `seed`. `decoding` is how files become pixels; a model of these data needs the same.
    """

    name: str
    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    channels: int
    size: tuple[int, int]
    fingerprint: str
    skipped: tuple[Finding, ...] = ()
    root: Path | None = None
    notes: tuple[Finding, ...] = ()
    unusable: int = 0
    made_splits: tuple[str, ...] = ()
    seed: int | None = None
    decoding: Decoding = USUAL

    @classmethod
    def from_arrays(
        cls,
        images: Any,
        labels: Any,
        classes: Sequence[str] | None = None,
        *,
        splits: Mapping[str, tuple[Any, Any] | float] | None = None,
        name: str = "arrays",
        seed: int = 0,
    ) -> Dataset:
        """A data set of images that are in memory, checked and split as `open_dataset` does it; nothing is shared.

        `images` are uint8 (N, H, W) or (N, H, W, C) with C 1 (grey) or 3 (RGB), or a list of such arrays or of
        Pillow's images, of different sizes if need be. The channels may come before the height, as in torch's tensors,
        and values may be floats from 0 to 1. `labels` are a number or a class name for each image, (N,), or one-hot
        (N, K); `classes` names them in order, by default the names that occur, or the numbers.

        `splits` says what to validate and test on: for "val" and "test" a pair of images and labels, or the fraction
        of each class that is taken from `images`. Splits that are missing are made from `seed`, see
        `convsmith.data.split.complete`; with a fraction, only those that are given.

        >>> dataset = Dataset.from_arrays(images, labels, classes=("cat", "dog"))  # doctest: +SKIP

        Raises UsageError naming the argument that does not fit, DataError as `open_dataset` does.
        """
        # Here, because both build on this class.
        from convsmith.data.arrays import list_arrays, split_name
        from convsmith.data.assemble import Demands, assemble

        given = {split_name(split): value for split, value in (splits or {}).items()}
        fractions = {split: value for split, value in given.items() if isinstance(value, int | float)}
        pairs = {split: value for split, value in given.items() if not isinstance(value, int | float)}
        _check_fractions(fractions)
        listing = list_arrays(images, labels, classes, pairs, name)
        return assemble(listing, Demands(seed, fractions=fractions or None))

    def split(self, name: str) -> Split:
        """The split of this name. Raises DataError listing the splits there are."""
        try:
            return self.splits[name]
        except KeyError:
            raise DataError(f"{self.name} has no split {name!r}; it has: {', '.join(self.splits)}") from None


def _check_fractions(fractions: Mapping[str, float]) -> None:
    for split, fraction in fractions.items():
        if not 0 < fraction < 1:
            raise UsageError(f"expected a fraction between 0 and 1, not {fraction}", settings=f"splits[{split!r}]")
    if sum(fractions.values()) >= 1:
        raise UsageError(
            f"fractions of {sum(fractions.values()):g} together leave nothing to train on", settings="splits"
        )
