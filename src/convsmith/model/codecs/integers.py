"""Values as whole numbers times a scale."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from convsmith.errors import WeightsError
from convsmith.model.codecs.bits import pack, unpack
from convsmith.model.codecs.codec import Grid
from convsmith.network.storage import IntegerStorage


class IntegerCodec:
    """(q - zero point) * scale in float32, rounded once; narrow q lie one after another as two's complement."""

    storage = IntegerStorage

    def encode(self, storage: IntegerStorage, values: Tensor, grid: Grid) -> dict[str, Tensor]:
        integers = nearest(storage, values, grid)
        if storage.bits == 8:
            return {"values": integers}
        unsigned = torch.uint8 if storage.bits < 8 else torch.uint16
        return {"values": pack(integers.flatten().view(unsigned), storage.bits)}

    def decode(
        self, storage: IntegerStorage, payload: Mapping[str, Tensor], grid: Grid, shape: tuple[int, ...]
    ) -> Tensor:
        _check(grid["scale"])
        integers = payload["values"]
        if storage.bits != 8:
            wide = unpack(integers, storage.bits, shape).to(torch.int32)
            integers = torch.where(wide > storage.highest, wide - 2**storage.bits, wide).to(_dtype(storage))
        return on_grid(storage, integers, grid)

    def integers(self, storage: IntegerStorage, values: Tensor, grid: Grid) -> Tensor:
        _, zero = _along(storage, values, grid)
        return nearest(storage, values, grid).to(torch.int16) - zero

    def from_integers(self, storage: IntegerStorage, integers: Tensor, grid: Grid) -> Tensor:
        _check(grid["scale"])
        scale, zero = _along(storage, integers, grid)
        # Most have no zero point, and a copy of the integers is large.
        low, high = torch.aminmax(integers + zero if bool(zero.any()) else integers) if integers.numel() else (0, 0)
        if low < storage.lowest or high > storage.highest:
            raise WeightsError(f"integers beyond {storage.bits} bits")
        return integers.float().mul_(scale)


def nearest(storage: IntegerStorage, values: Tensor, grid: Grid) -> Tensor:
    """The nearest integers, int8 or int16: round(x / scale) + zero point, ties to even, within the range."""
    scale, zero = _along(storage, values, grid)
    # In float64 the quotient of an exact multiple is that multiple, whatever the scale.
    integers = torch.round(values.double() / scale.double()) + zero
    return integers.nan_to_num().clamp(storage.lowest, storage.highest).to(_dtype(storage))


def on_grid(storage: IntegerStorage, integers: Tensor, grid: Grid) -> Tensor:
    """The values, float32, of integers."""
    scale, zero = _along(storage, integers, grid)
    return (integers.to(torch.int16) - zero).float() * scale


def _dtype(storage: IntegerStorage) -> torch.dtype:
    return torch.int8 if storage.bits <= 8 else torch.int16


def _check(scale: Tensor) -> None:
    if not bool((torch.isfinite(scale) & (scale > 0)).all()):
        raise WeightsError("a scale that is not above 0 and finite")


def _along(storage: IntegerStorage, values: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """Scale and zero point (int16), shaped to be broadcast over the values."""
    scale = grid["scale"]
    zero = grid.get("zero_point", torch.zeros_like(scale, dtype=torch.int8)).to(torch.int16)
    if storage.axis is None:
        return scale, zero
    shape = [1] * values.ndim
    shape[storage.axis] = -1
    return scale.view(shape), zero.view(shape)
