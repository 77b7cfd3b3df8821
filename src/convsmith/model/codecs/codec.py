"""What a codec is, which there are, and what is checked of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor

from convsmith.errors import UsageError, WeightsError
from convsmith.network.storage import STORAGES, Storage

Grid: TypeAlias = Mapping[str, Tensor]
"""The tensors of `Storage.grid` by part: `scale`, `zero_point`, `codebook`."""


class Codec(Protocol):
    """Values of one parameter <-> its payload, for one kind of storage.

    Encoding is a function of the values and the grid alone, so a file that is loaded and saved is the same file.
    """

    @property
    def storage(self) -> type[Storage]:
        """What it is the codec of."""
        ...

    def encode(self, storage: Any, values: Tensor, grid: Grid) -> dict[str, Tensor]:
        """The tensors of `storage.payload`, by part, for values on the grid. What is off it may give anything."""
        ...

    def decode(self, storage: Any, payload: Mapping[str, Tensor], grid: Grid, shape: tuple[int, ...]) -> Tensor:
        """The values, floating point, of this shape. Raises WeightsError for a payload or grid that no encoder made."""
        ...


@runtime_checkable
class IntegerGrid(Protocol):
    """A codec whose values are integers, 0 being the value 0 or the nearest to it: these can be entropy coded."""

    def integers(self, storage: Any, values: Tensor, grid: Grid) -> Tensor:
        """The integers, int16 or int32 in the shape of the values, for values on the grid."""
        ...

    def from_integers(self, storage: Any, integers: Tensor, grid: Grid) -> Tensor:
        """The values, float32. Raises WeightsError for integers that the storage does not have, or a damaged grid."""
        ...


CODECS: dict[type[Storage], Codec] = {}
ELEMENTS_AT_ONCE = 2**20


def register(codec: Codec) -> None:
    """Adds a codec, and its storage to those that a network's JSON may name. Raises UsageError if its kind is taken."""
    kind = codec.storage.kind
    if STORAGES.setdefault(kind, codec.storage) is not codec.storage:
        raise UsageError(f"two storages are called {kind!r}")
    CODECS[codec.storage] = codec


def encode(storage: Storage, values: Tensor, grid: Grid) -> dict[str, Tensor]:
    """The raw tensors of a parameter by part, payload and grid. Decoded they are exactly these values.

    Raises WeightsError if they are not: the values lie off their grid, or do not fit the float type.
    """
    codec = _codec_of(storage)
    shape = tuple(values.shape)
    values = values.detach().cpu().contiguous()
    grid = {part: tensor.detach().cpu().contiguous() for part, tensor in grid.items()}
    payload = codec.encode(storage, values, grid)
    again = codec.decode(storage, payload, grid, shape)
    if not _same(again, values):
        raise WeightsError(f"values that {storage} cannot hold exactly: round them to it first")
    return {**payload, **grid}


def integers_of(storage: Storage, values: Tensor, grid: Grid) -> Tensor | None:
    """The values as integers on their grid, which give exactly these values; None if the storage has no such grid.

    Raises WeightsError if the values lie off their grid.
    """
    codec = _codec_of(storage)
    if not isinstance(codec, IntegerGrid):
        return None
    values = values.detach().cpu().contiguous()
    grid = {part: tensor.detach().cpu().contiguous() for part, tensor in grid.items()}
    found = []
    for rows in _rows(values):
        # A scale for each row goes with its row; all other grids are of the whole parameter.
        ours = {part: tensor[rows] if getattr(storage, "axis", None) == 0 else tensor for part, tensor in grid.items()}
        integers = codec.integers(storage, values[rows], ours)
        if not _same(codec.from_integers(storage, integers, ours), values[rows]):
            raise WeightsError(f"values that {storage} cannot hold exactly: round them to it first")
        found.append(integers)
    return torch.cat(found) if len(found) > 1 else found[0]


def _rows(values: Tensor) -> list[Any]:
    """Slices of the first axis, each of few elements: what is computed of them in float64 takes little memory then."""
    if values.ndim == 0 or values.numel() <= ELEMENTS_AT_ONCE:
        return [...]
    step = max(1, ELEMENTS_AT_ONCE * len(values) // values.numel())
    return [slice(start, start + step) for start in range(0, len(values), step)]


def values_of(storage: Storage, integers: Tensor, grid: Grid) -> Tensor:
    """The values of integers on a grid. Raises WeightsError for what `integers_of` never gave."""
    codec = _codec_of(storage)
    assert isinstance(codec, IntegerGrid)
    return codec.from_integers(storage, integers, grid)


def is_integer_grid(storage: Storage) -> bool:
    """Whether its values can be entropy coded."""
    return isinstance(_codec_of(storage), IntegerGrid)


def decode(storage: Storage, raw: Mapping[str, Tensor], shape: tuple[int, ...]) -> tuple[Tensor, dict[str, Tensor]]:
    """The values of a parameter and its grid, from what `encode` made. Raises WeightsError for anything else."""
    grid = {tensor.part: raw[tensor.part] for tensor in storage.grid(shape)}
    payload = {tensor.part: raw[tensor.part] for tensor in storage.payload(shape)}
    return _codec_of(storage).decode(storage, payload, grid, shape), grid


def _codec_of(storage: Storage) -> Codec:
    if type(storage) not in CODECS:
        raise WeightsError(f"no codec is registered for {storage.kind!r} storage")
    return CODECS[type(storage)]


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same numbers; a NaN equals a NaN."""
    wide = torch.promote_types(one.dtype, other.dtype)
    one, other = one.to(wide), other.to(wide)
    return torch.equal(one, other) or bool(((one == other) | (one.isnan() & other.isnan())).all())
