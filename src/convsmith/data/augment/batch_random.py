"""Random numbers for the images of a batch, of which one process may hold only some."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """Draws for `count` images; what comes out is for those in `places`, int64 (n,), or for all.

    An image's numbers depend on the generator, the count and its place, not on which images are at hand: processes that
    share a batch change its images as one process would. The generator lives on the CPU, so that every device sees the
    same numbers.
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
