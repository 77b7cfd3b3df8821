"""Integers of a few bits one after another without gaps, the lowest bit first."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from convsmith.errors import WeightsError

CHUNK_ELEMENTS = 2**18
"""How many integers are spread into bits at a time; a multiple of 8, so that each chunk fills whole bytes."""


def pack(values: Tensor, bits: int) -> Tensor:
    """The low `bits` of each of N integers, uint8 or uint16 (N,), as uint8 (ceil(N * bits / 8),).

    Bit j of integer i is bit (i * bits + j) of the result, where bit 0 of a byte is its lowest. The last byte is filled
    up with zeros.
    """
    array = values.contiguous().numpy()
    width = array.dtype.itemsize
    packed = np.empty(-(-array.size * bits // 8), np.uint8)
    for start in range(0, array.size, CHUNK_ELEMENTS):
        chunk = array[start : start + CHUNK_ELEMENTS].astype(f"<u{width}", copy=False)
        spread = np.unpackbits(chunk.view(np.uint8).reshape(-1, width), axis=1, count=bits, bitorder="little")
        filled = np.packbits(spread, bitorder="little")
        packed[start * bits // 8 :][: filled.size] = filled
    return torch.from_numpy(packed)


def unpack(packed: Tensor, bits: int, shape: tuple[int, ...]) -> Tensor:
    """The integers that `pack` packed, uint8 or for more than 8 bits uint16, of this shape.

    Raises WeightsError if the bits that fill up the last byte are not zeros.
    """
    array = packed.contiguous().numpy()
    count = int(np.prod(shape, dtype=np.int64))
    width = 1 if bits <= 8 else 2
    unpacked = np.empty((count, width), np.uint8)
    for start in range(0, count, CHUNK_ELEMENTS):
        elements = min(CHUNK_ELEMENTS, count - start)
        chunk = array[start * bits // 8 : -(-(start + elements) * bits // 8)]
        spread = np.unpackbits(chunk, bitorder="little")
        if spread[elements * bits :].any():
            raise WeightsError("bits are set behind the last packed integer")
        integers = np.packbits(spread[: elements * bits].reshape(elements, bits), axis=1, bitorder="little")
        unpacked[start : start + elements] = integers
    return torch.from_numpy(unpacked.view(f"<u{width}").reshape(shape).astype(f"=u{width}", copy=False))
