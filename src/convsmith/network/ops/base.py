"""What every op can say: output shape, parameters, arithmetic, receptive field, what training must keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar, dataclass_transform

from convsmith.errors import ShapeError, UsageError
from convsmith.network import dims
from convsmith.network.dims import Dim, Shape
from convsmith.network.init import Init

Saved = Literal["inputs", "output", "nothing"]


Kind = TypeVar("Kind")


class Parameter(NamedTuple):
    """A tensor that belongs to a node. Buffers that no gradient reaches (running statistics) are not trainable."""

    name: str
    shape: Shape
    init: Init
    trainable: bool = True


class Window(NamedTuple):
    """What one output position sees of the input along one axis: the geometry of a receptive field."""

    extent: Dim = 1
    stride: Dim = 1
    before: Dim = 0


UNIT = Window()


@dataclass_transform(frozen_default=True)
def operation(cls: type[Kind]) -> type[Kind]:
    """Makes an op: a frozen dataclass. Comparison, hash and words come from `Op`, which defines them once for all:
    dataclasses would compile them anew for each of some sixty, each time that convsmith is imported.
    """
    return dataclass(frozen=True, slots=True, eq=False, repr=False)(cls)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Op:
    """One layer without its parameters' values. Subclasses are frozen dataclasses whose fields are JSON values."""

    kind: ClassVar[str]
    arity: ClassVar[int | None] = 1
    """How many inputs it takes: 0 for a constant, None for one or more."""
    training_only: ClassVar[bool] = False
    saved: ClassVar[Saved] = "nothing"
    """Which feature maps the backward pass needs, if all of this op's kind need the same."""

    @property
    def _values(self) -> dict[str, Any]:
        names: tuple[str, ...] = type(self).__match_args__
        return {name: getattr(self, name) for name in names}

    def __eq__(self, other: object) -> bool:
        return self._values == other._values if isinstance(other, Op) and type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.kind, *self._values.values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._values.items())})"

    def shape(self, *inputs: Shape) -> Shape:
        """The output's shape. Raises ShapeError when the inputs do not fit."""
        raise NotImplementedError

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        return ()

    def kept(self) -> Saved:
        """Which feature maps the backward pass needs."""
        return self.saved

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        """Multiply-adds of convolutions and matrix products for one image."""
        raise UsageError(f"op {type(self).__name__} has no rule for its multiply-adds")

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        """Arithmetic other than the multiply-adds, for one image: one for each addition, comparison, function."""
        raise UsageError(f"op {type(self).__name__} has no rule for its elementwise operations")

    def whole(self, index: int, *inputs: Shape) -> tuple[int, ...]:
        """Axes of input `index` along which each output element sees everything."""
        return ()

    def windows(self, output: Shape, *inputs: Shape) -> tuple[Window, Window]:
        """Receptive-field geometry along height and width."""
        return UNIT, UNIT


class Elementwise(Op):
    """Base of ops without multiply-adds that do one operation for each output element."""

    __slots__ = ()

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return 0

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return dims.elements(output)


class Rearrangement(Op):
    """Base of ops that compute nothing: they move, drop or repeat elements."""

    __slots__ = ()

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return 0

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return 0


def feature_map(shape: Shape) -> tuple[Dim, Dim, Dim]:
    """Unpack (C, H, W). Raises ShapeError for a vector."""
    if len(shape) != 3:
        raise ShapeError(f"needs a feature map (C, H, W), got {dims.text(shape)}")
    return shape


def vector(shape: Shape) -> Dim:
    """Unpack (F,). Raises ShapeError for a feature map."""
    if len(shape) != 1:
        raise ShapeError(f"needs a vector, got {dims.text(shape)}: flatten it first")
    return shape[0]
