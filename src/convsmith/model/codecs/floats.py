"""Floating-point values as they are."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from convsmith.model.codecs.codec import Grid
from convsmith.network.storage import FloatStorage


class FloatCodec:
    """Values in another float type where nothing is lost by it; in memory always at least float32."""

    storage = FloatStorage

    def encode(self, storage: FloatStorage, values: Tensor, grid: Grid) -> dict[str, Tensor]:
        return {"": values.to(getattr(torch, storage.dtype))}

    def decode(
        self, storage: FloatStorage, payload: Mapping[str, Tensor], grid: Grid, shape: tuple[int, ...]
    ) -> Tensor:
        return payload[""].to(torch.promote_types(payload[""].dtype, torch.float32))
