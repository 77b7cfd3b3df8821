"""How a training step computes: one value for whatever times, tries or runs a step."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from convsmith.train.recipes.recipe import MemoryFormat, Precision

MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Arithmetic:
    """Memory format and precision of a step, whether `torch.compile` runs it, and its batch.

    `batch_size` images make an update. They go through the network in `parts`, whose gradients are summed, so that
    less memory is needed; the loss is the same however the batch is divided.
    """

    memory_format: MemoryFormat = "contiguous"
    precision: Precision = "float32"
    compiled: bool = False
    batch_size: int = 128
    parts: int = 1

    def __str__(self) -> str:
        return ", ".join([self.memory_format, self.precision, *(["compiled"] if self.compiled else [])])

    @property
    def torch_format(self) -> torch.memory_format:
        return MEMORY_FORMATS[self.memory_format]

    @property
    def dtype(self) -> torch.dtype:
        return DTYPES[self.precision]
