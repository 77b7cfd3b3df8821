"""A network's predictions for each image of a split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convsmith.evaluation.confusion import Confusion


@dataclass(frozen=True, eq=False)
class Predictions:
    """Of every image that could be read, in the split's order: its row and its predicted class, both int64 (N,), and
    its cross-entropy in nats, float32 (N,)."""

    rows: NDArray[np.int64]
    predicted: NDArray[np.int64]
    losses: NDArray[np.float32]

    @classmethod
    def joined(cls, parts: list[Predictions]) -> Predictions:
        """The predictions of several processes, each for its part of the split, as if one had made them."""
        rows = np.concatenate([part.rows for part in parts])
        order = np.argsort(rows, kind="stable")
        predicted = np.concatenate([part.predicted for part in parts])[order]
        return cls(rows[order], predicted, np.concatenate([part.losses for part in parts])[order])

    def hardest(self, count: int) -> NDArray[np.int64]:
        """Places in these arrays of the highest losses, the highest first; NaN counts as highest."""
        return np.argsort(-np.nan_to_num(self.losses, nan=np.inf), kind="stable")[:count]

    def confusion(self, labels: NDArray[np.int64]) -> Confusion:
        """The pairs of class and predicted class that occur; `labels` are the split's."""
        pairs = np.stack([labels[self.rows], self.predicted], axis=1)
        found, counts = np.unique(pairs, axis=0, return_counts=True)
        return {(int(i), int(j)): int(count) for (i, j), count in zip(found, counts, strict=True)}
