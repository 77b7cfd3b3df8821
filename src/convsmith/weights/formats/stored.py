"""A tensor as a file has it: what it is, and how to get its numbers. Without torch until they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

BYTES = {
    **dict.fromkeys(("float64", "int64", "complex64", "uint64"), 8),
    **dict.fromkeys(("float32", "int32", "qint32", "uint32"), 4),
    **dict.fromkeys(("float16", "bfloat16", "int16", "uint16"), 2),
    **dict.fromkeys(("uint8", "int8", "bool", "qint8", "quint8"), 1),
    **dict.fromkeys(("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"), 1),
    "complex128": 16,
}
"""Of an element, by torch's name of its type."""


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """`dtype` is torch's name of the type ("float32"); `load` reads the numbers, and may raise ModelFileError."""

    dtype: str
    shape: tuple[int, ...]
    load: Callable[[], Tensor]

    @property
    def is_float(self) -> bool:
        return self.dtype.startswith(("float", "bfloat"))


def from_array(values: NDArray[np.generic], dtype: str | None = None) -> StoredTensor:
    """An array that is here already; `dtype` where the array only holds another type's bits."""

    def load() -> Tensor:
        import torch

        native = values.astype(values.dtype.newbyteorder("="))
        tensor = torch.from_numpy(native)
        return tensor if dtype is None else tensor.view(getattr(torch, dtype))

    return StoredTensor(dtype or values.dtype.name, values.shape, load)


def one_line(error: BaseException) -> str:
    """What another library says of damage, in one line that can be printed."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = "".join(character for character in (lines or [""])[0] if character.isprintable())
    return said or type(error).__name__
