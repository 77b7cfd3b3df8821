"""A data set in figures: what `convsmith inspect` prints first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from convsmith.cost.table import aligned
from convsmith.data.dataset import Dataset

SHOWN_CLASSES = 50
"""Rows of the table; of more classes, the largest are shown. The JSON has all."""

SHOWN_SKIPPED = 20


@dataclass(frozen=True)
class Summary:
    """`images` counts by split and class; `size` is the median (height, width); `skipped` is what was left out and why,
    `unusable` how many files of it there are, of `files` in all; `notes` is what else is to be known; `made_splits`
    were made here, by `seed`."""

    name: str
    classes: tuple[str, ...]
    images: dict[str, dict[str, int]]
    channels: int
    size: tuple[int, int]
    skipped: tuple[str, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()
    files: int = 0
    unusable: int = 0
    made_splits: tuple[str, ...] = ()
    seed: int | None = None

    def to_json(self) -> dict[str, Any]:
        builtins: dict[str, Any] = msgspec.to_builtins(self)
        return builtins

    def __str__(self) -> str:
        colour = "grey" if self.channels == 1 else "colour"
        rows = [
            ("class", *self.images),
            *((name, *(f"{counts[name]:,}" for counts in self.images.values())) for name in self._shown_classes),
            ("all", *(f"{sum(counts.values()):,}" for counts in self.images.values())),
        ]
        return "\n".join(
            (
                f"{self.name}: {_classes(len(self.classes))}; {colour}, median size {self.size[0]}x{self.size[1]} "
                "(height x width)",
                "",
                aligned((), rows, "l" + "r" * len(self.images)),
                *([f"and {len(self.classes) - SHOWN_CLASSES:,} more classes"] if self._cut else []),
                "",
                self.splits_line,
                *(f"note: {note}" for note in self.notes),
                self.usable_line,
                *(f"  {finding}" for finding in self.skipped[:SHOWN_SKIPPED]),
                *([f"  and {len(self.skipped) - SHOWN_SKIPPED:,} more"] if len(self.skipped) > SHOWN_SKIPPED else []),
                f"fingerprint: {self.fingerprint}",
            )
        )

    @property
    def _cut(self) -> bool:
        return len(self.classes) > SHOWN_CLASSES

    @property
    def _shown_classes(self) -> tuple[str, ...]:
        """All, or of very many the largest."""
        if not self._cut:
            return self.classes
        first = next(iter(self.images.values()))
        return tuple(sorted(self.classes, key=lambda name: -first[name])[:SHOWN_CLASSES])

    @property
    def splits_line(self) -> str:
        """Where the splits are from."""
        if not self.made_splits:
            return "splits: as the data have them"
        return f"splits: {' and '.join(self.made_splits)} made here out of train, by seed {self.seed}"

    @property
    def usable_line(self) -> str:
        """How many files cannot be used, and their share."""
        if not self.skipped:
            return "every file can be used"
        if not self.unusable:
            return f"left out: {len(self.skipped):,}"
        share = self.unusable / self.files
        return (
            f"left out: {len(self.skipped):,}; {self.unusable:,} of {self.files:,} files ({share:.1%}) cannot be used"
        )


def _classes(count: int) -> str:
    return {0: "no labels", 1: "1 class"}.get(count, f"{count:,} classes")


def summarize(dataset: Dataset) -> Summary:
    """Counts the images of each class in each split."""
    images = {}
    for name, split in dataset.splits.items():
        counts = np.bincount(split.labels, minlength=len(dataset.classes)).tolist()
        images[name] = dict(zip(dataset.classes, counts, strict=True))
    return Summary(
        name=dataset.name,
        classes=dataset.classes,
        images=images,
        channels=dataset.channels,
        size=dataset.size,
        skipped=tuple(map(str, dataset.skipped)),
        fingerprint=dataset.fingerprint,
        notes=tuple(map(str, dataset.notes)),
        files=sum(map(len, dataset.splits.values())) + dataset.unusable,
        unusable=dataset.unusable,
        made_splits=dataset.made_splits,
        seed=dataset.seed,
    )
