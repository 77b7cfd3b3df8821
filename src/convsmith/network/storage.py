"""How a parameter is kept in a model file: as data beside the network, so that its bytes are known without weights.

A storage says which raw tensors a file holds for a parameter of a given shape. Its payload is the parameter's values
in few bits; its grid is what those few bits mean: scales and zero points, or a codebook. How one becomes the other is
the codecs' business (`convsmith.model.codecs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeVar

from convsmith.errors import ConvsmithError, ShapeError, UnknownNameError, UsageError
from convsmith.network.dims import Dim, Shape, elements, text

if TYPE_CHECKING:
    from convsmith.network.network import Network

SomeNetwork = TypeVar("SomeNetwork", bound="Network")
FloatType = Literal["float64", "float32", "bfloat16", "float16"]

DTYPE_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I32": 4, "I8": 1, "U8": 1}
"""The element types that a model file may hold, by safetensors' names for them."""
FLOATS: Mapping[FloatType, str] = {"float64": "F64", "float32": "F32", "bfloat16": "BF16", "float16": "F16"}
MOST_ENTRIES = 65_536
"""Of a codebook: 16 bits an index, above which float32 itself is hardly larger."""


class RawTensor(NamedTuple):
    """A tensor of a model file: which part of its parameter it is, safetensors' dtype, shape.

    The part is "" for plain values, which have the parameter's own name in the file; others are named after it,
    `conv1.weight:scale`.
    """

    part: str
    dtype: str
    shape: Shape

    @property
    def bytes(self) -> Dim:
        return elements(self.shape) * DTYPE_BYTES[self.dtype]

    def name(self, parameter: str) -> str:
        """The name in the file. No layer's name has a colon."""
        return f"{parameter}:{self.part}" if self.part else parameter


@dataclass(frozen=True)
class Storage:
    """How one parameter is kept. Subclasses are frozen dataclasses whose fields are JSON values."""

    kind: ClassVar[str]

    def payload(self, shape: Shape) -> tuple[RawTensor, ...]:
        """The tensors that hold a parameter of this shape. Raises ShapeError if it cannot be kept so."""
        raise NotImplementedError

    def grid(self, shape: Shape) -> tuple[RawTensor, ...]:
        """The tensors that say which values the payload's integers mean; none if it holds the values themselves."""
        return ()

    @property
    def has_grid(self) -> bool:
        """Whether the values need a grid to mean anything."""
        return type(self).grid is not Storage.grid

    def tensors(self, shape: Shape) -> tuple[RawTensor, ...]:
        """Everything that a file holds for a parameter of this shape. Raises ShapeError."""
        return (*self.payload(shape), *self.grid(shape))

    def bytes(self, shape: Shape) -> Dim:
        """What they take, exactly. Raises ShapeError."""
        return sum(tensor.bytes for tensor in self.tensors(shape))


@dataclass(frozen=True)
class FloatStorage(Storage):
    """The values themselves, in this type."""

    kind: ClassVar[str] = "float"

    dtype: FloatType = "float32"

    def __post_init__(self) -> None:
        if self.dtype not in FLOATS:
            raise UnknownNameError("float type", str(self.dtype), FLOATS)

    def payload(self, shape: Shape) -> tuple[RawTensor, ...]:
        return (RawTensor("", FLOATS[self.dtype], shape),)


@dataclass(frozen=True)
class IntegerStorage(Storage):
    """Whole numbers of 2 to 16 bits, times a scale: value = (integer - zero point) * scale, rounded to float32 once.

    Integers lie in -2^(bits-1) to 2^(bits-1) - 1. There is one float32 scale, or one for each index along `axis` (0 is
    a convolution's output channel). Symmetric integers have no zero point; others have one beside each scale.
    Integers of 8 bits are kept as int8 in the parameter's shape, others one after another without gaps. A zero point is
    an int8, so wider integers than that are symmetric.
    """

    kind: ClassVar[str] = "integer"

    bits: int = 8
    axis: int | None = None
    symmetric: bool = True

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 16:
            raise UsageError(f"integers are stored in 2 to 16 bits, not in {self.bits}")
        if self.bits > 8 and not self.symmetric:
            raise UsageError(f"integers of {self.bits} bits have no zero point; those of up to 8 bits may have one")
        if self.axis is not None and self.axis < 0:
            raise UsageError(f"an axis counts from 0, not {self.axis}")

    @property
    def lowest(self) -> int:
        return -(1 << (self.bits - 1))

    @property
    def highest(self) -> int:
        return (1 << (self.bits - 1)) - 1

    def payload(self, shape: Shape) -> tuple[RawTensor, ...]:
        if self.bits == 8:
            return (RawTensor("values", "I8", shape),)
        return (RawTensor("values", "U8", packed(shape, self.bits)),)

    def grid(self, shape: Shape) -> tuple[RawTensor, ...]:
        if self.axis is not None and self.axis >= len(shape):
            raise ShapeError(f"a parameter of shape {text(shape)} has no axis {self.axis} for scales")
        scales: Shape = () if self.axis is None else (shape[self.axis],)
        scale = RawTensor("scale", "F32", scales)
        return (scale,) if self.symmetric else (scale, RawTensor("zero_point", "I8", scales))


@dataclass(frozen=True)
class CodebookStorage(Storage):
    """Values shared by many: an index into a codebook of float32 `entries` for each element (Han et al. 2015, sec. 3).

    An index takes the bits of the largest, at least 1; indices are kept one after another without gaps.
    """

    kind: ClassVar[str] = "codebook"

    entries: int = 256

    def __post_init__(self) -> None:
        if not 1 <= self.entries <= MOST_ENTRIES:
            raise UsageError(f"a codebook has 1 to {MOST_ENTRIES:,} entries, not {self.entries}")

    @property
    def bits(self) -> int:
        """Of an index."""
        return max(1, (self.entries - 1).bit_length())

    def payload(self, shape: Shape) -> tuple[RawTensor, ...]:
        return (RawTensor("indices", "U8", packed(shape, self.bits)),)

    def grid(self, shape: Shape) -> tuple[RawTensor, ...]:
        return (RawTensor("codebook", "F32", (self.entries,)),)


def packed(shape: Shape, bits: int) -> Shape:
    """The bytes that hold an integer of so many bits for each element, the last one filled up."""
    return (-(-elements(shape) * bits // 8),)


class Stored(NamedTuple):
    """A parameter that is not kept in float32, by its state-dict key, and how it is kept."""

    parameter: str
    storage: Storage


FLOAT32 = FloatStorage()
"""How a parameter is kept of which nothing is said."""

STORAGES: dict[str, type[Storage]] = {s.kind: s for s in (FloatStorage, IntegerStorage, CodebookStorage)}
"""By their kind in JSON. `convsmith.model.codecs.register` adds others."""


def with_storage(net: SomeNetwork, storage: Mapping[str, Storage]) -> SomeNetwork:
    """The network with these parameters, by state-dict key, kept so, and all others in float32.

    Raises UnknownNameError for a parameter that the network does not have, ShapeError for a storage that does not fit.
    """
    for key, value in storage.items():
        if key not in net.parameters:
            raise UnknownNameError(f"parameter of {net.name}", key, net.parameters)
        try:
            value.tensors(net.parameters[key].shape)
        except ShapeError as error:
            raise ShapeError(f"{key}: {error}") from None
    return replace(net, storage=tuple(Stored(key, value) for key, value in storage.items()))


def settled(stored: tuple[Stored, ...], layers: Mapping[str, Any]) -> tuple[Stored, ...]:
    """In one order whatever it was given in, so that equal networks are equal: by key.

    What is float32 is left out, and so are layers that are no longer there: parts of networks are made by `replace`.
    """
    kept = (s for s in stored if s.storage != FLOAT32 and s.parameter.rpartition(".")[0] in layers)
    return tuple(sorted(kept, key=lambda one: one.parameter))


def storage_to_json(storage: Storage) -> dict[str, Any]:
    """Its kind, and the fields that are not at their defaults."""
    changed = {field.name: getattr(storage, field.name) for field in fields(storage)}
    defaults = {field.name: field.default for field in fields(storage)}
    return {"kind": storage.kind, **{key: value for key, value in changed.items() if value != defaults[key]}}


def storage_from_json(parameter: str, data: Any) -> Storage:
    """What `storage_to_json` wrote. Raises UsageError naming the parameter."""
    import msgspec

    if not isinstance(data, Mapping) or not isinstance(data.get("kind"), str):
        raise UsageError(f"{parameter}: its storage has no kind; there are {', '.join(STORAGES)}")
    if data["kind"] not in STORAGES:
        raise UnknownNameError(f"storage of {parameter}", data["kind"], STORAGES)
    kind = STORAGES[data["kind"]]
    known = [field.name for field in fields(kind)]
    for key in data:
        if key != "kind" and key not in known:
            raise UsageError(f"{parameter}: {kind.kind} storage has no field {key!r}; it has: {', '.join(known)}")
    try:
        return msgspec.convert({key: data[key] for key in known if key in data}, kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"{parameter}: {kind.kind} storage: {error}") from None
    except ConvsmithError as error:
        raise UsageError(f"{parameter}: {error}") from None
