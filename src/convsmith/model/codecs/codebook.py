"""Values that many elements share, as indices into a codebook."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from convsmith.errors import WeightsError
from convsmith.model.codecs.bits import pack, unpack
from convsmith.model.codecs.codec import Grid
from convsmith.network.storage import CodebookStorage


class CodebookCodec:
    """The codebook ascends strictly, so that a value has one index and a model one file."""

    storage = CodebookStorage

    def encode(self, storage: CodebookStorage, values: Tensor, grid: Grid) -> dict[str, Tensor]:
        indices = _indices(_checked(grid["codebook"]), values).flatten()
        return {"indices": pack(_bytes_of(indices, storage.bits), storage.bits)}

    def decode(
        self, storage: CodebookStorage, payload: Mapping[str, Tensor], grid: Grid, shape: tuple[int, ...]
    ) -> Tensor:
        codebook = _checked(grid["codebook"])
        indices = unpack(payload["indices"], storage.bits, shape).to(torch.int32)
        if indices.numel() and int(indices.max()) >= storage.entries:
            raise WeightsError(f"an index of {int(indices.max())} into a codebook of {storage.entries}")
        return codebook[indices]

    def integers(self, storage: CodebookStorage, values: Tensor, grid: Grid) -> Tensor:
        codebook = _checked(grid["codebook"])
        return _indices(codebook, values) - _nearest_to_zero(codebook)

    def from_integers(self, storage: CodebookStorage, integers: Tensor, grid: Grid) -> Tensor:
        codebook = _checked(grid["codebook"])
        indices = integers.to(torch.int32) + _nearest_to_zero(codebook)
        if indices.numel() and not 0 <= int(indices.min()) <= int(indices.max()) < storage.entries:
            raise WeightsError(f"an index beyond a codebook of {storage.entries}")
        return codebook[indices]


def _indices(codebook: Tensor, values: Tensor) -> Tensor:
    """Of the first entry that is no smaller, int32 in the shape of the values."""
    found = torch.searchsorted(codebook, values.contiguous().float(), out_int32=True)
    return found.clamp_(max=len(codebook) - 1)


def _nearest_to_zero(codebook: Tensor) -> int:
    """The index of the entry of smallest magnitude, of two the negative one."""
    return int(codebook.abs().argmin())


def _bytes_of(indices: Tensor, bits: int) -> Tensor:
    """As uint8, or uint16 where a byte is too narrow."""
    return indices.to(torch.uint8 if bits <= 8 else torch.uint16)


def _checked(codebook: Tensor) -> Tensor:
    if not bool(torch.isfinite(codebook).all()) or not bool((codebook[1:] > codebook[:-1]).all()):
        raise WeightsError("a codebook that is not finite and strictly ascending")
    return codebook
