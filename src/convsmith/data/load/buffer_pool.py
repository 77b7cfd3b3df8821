"""Memory for batches, handed out again once nobody holds it."""

from __future__ import annotations

import weakref

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BUFFERS_KEPT = 2
"""While one batch is trained on, the next is made."""


class BufferPool:
    """Float32 tensors, in the memory of earlier ones where that is free again.

    The first touch of fresh memory is a page fault for each 4 KB: writing a batch of photographs into it takes five
    times as long as into memory that was used before.
    """

    def __init__(self) -> None:
        self._buffers: list[tuple[NDArray[np.float32], weakref.ref[NDArray[np.float32]]]] = []

    def empty(self, shape: tuple[int, ...]) -> Tensor:
        """A tensor of this shape with undefined values. It shares no memory with any tensor that is still alive."""
        for number, (memory, view) in enumerate(self._buffers):
            if view() is None and memory.shape == shape:
                return self._lend(number, memory)
        self._buffers = self._buffers[1 - BUFFERS_KEPT :]
        return self._lend(len(self._buffers), np.empty(shape, np.float32))

    def _lend(self, number: int, memory: NDArray[np.float32]) -> Tensor:
        # The tensor, and whatever shares its memory, hold this very view: when the last is gone, so is the view.
        view = memory[:]
        self._buffers[number : number + 1] = [(memory, weakref.ref(view))]
        return torch.from_numpy(view)
