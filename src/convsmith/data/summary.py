"""A data set in figures: what `convsmith data inspect` prints."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from convsmith.data.dataset import Dataset


@dataclass(frozen=True)
class Summary:
    """`images` counts by split and class; `size` is the median (height, width); `skipped` what was left out and why."""

    name: str
    classes: tuple[str, ...]
    images: dict[str, dict[str, int]]
    channels: int
    size: tuple[int, int]
    skipped: tuple[str, ...]
    fingerprint: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        colour = "grey" if self.channels == 1 else "colour"
        widths = [max(len(split), 9) for split in self.images]
        longest = max(len("class"), len("all"), *map(len, self.classes))

        def line(title: str, cells: list[str]) -> str:
            return "  ".join((title.ljust(longest), *(cell.rjust(w) for cell, w in zip(cells, widths, strict=True))))

        return "\n".join(
            (
                f"{self.name}: {len(self.classes)} classes; {colour}, median size {self.size[0]}x{self.size[1]} "
                "(height x width)",
                "",
                line("class", list(self.images)),
                *(line(name, [f"{counts[name]:,}" for counts in self.images.values()]) for name in self.classes),
                line("all", [f"{sum(counts.values()):,}" for counts in self.images.values()]),
                "",
                f"left out: {len(self.skipped):,}" if self.skipped else "every file can be used",
                *(f"  {finding}" for finding in self.skipped),
                f"fingerprint: {self.fingerprint}",
            )
        )


def summarize(dataset: Dataset) -> Summary:
    """Counts the images of each class in each split."""
    images = {}
    for name, split in dataset.splits.items():
        counts = np.bincount(split.labels, minlength=len(dataset.classes)).tolist()
        images[name] = dict(zip(dataset.classes, counts, strict=True))
    return Summary(
        dataset.name,
        dataset.classes,
        images,
        dataset.channels,
        dataset.size,
        tuple(map(str, dataset.skipped)),
        dataset.fingerprint,
    )
