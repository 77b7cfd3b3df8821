"""Parameters as the raw tensors of a model file, and back: one codec for each kind of storage.

A codec of your own: a frozen dataclass that derives from `convsmith.network.storage.Storage`, a `Codec` for it, and
`register(codec)`. From then on every model file may hold it.
"""

from __future__ import annotations

from convsmith.model.codecs.codebook import CodebookCodec
from convsmith.model.codecs.codec import (
    Codec,
    Grid,
    IntegerGrid,
    decode,
    encode,
    integers_of,
    is_integer_grid,
    register,
    values_of,
)
from convsmith.model.codecs.floats import FloatCodec
from convsmith.model.codecs.integers import IntegerCodec

for _codec in (FloatCodec(), IntegerCodec(), CodebookCodec()):
    register(_codec)

__all__ = [
    "CodebookCodec",
    "Codec",
    "FloatCodec",
    "Grid",
    "IntegerCodec",
    "IntegerGrid",
    "decode",
    "encode",
    "integers_of",
    "is_integer_grid",
    "register",
    "values_of",
]
