"""Random numbers for the images of a batch, when one process may hold only some of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class BatchRandom:
    """Random numbers for a batch of `count` images; those returned are for `places`, int64 (n,), or for all.

    An image's numbers depend on the generator, the count and its place in the batch, not on which other images are
    present: processes that share a batch change its images as one process would. The generator lives on the CPU, so
    that every device sees the same numbers.
    """

    generator: torch.Generator
    count: int
    places: Tensor | None = None

    def uniform(self, *leading: int) -> Tensor:
        """float32 (*leading, n) in [0, 1)."""
        return self._here(torch.rand(*leading, self.count, generator=self.generator))

    def integers(self, high: int, *leading: int) -> Tensor:
        """int64 (*leading, n) in [0, high)."""
        return self._here(torch.randint(high, (*leading, self.count), generator=self.generator))

    def _here(self, numbers: Tensor) -> Tensor:
        return numbers if self.places is None else numbers[..., self.places]
