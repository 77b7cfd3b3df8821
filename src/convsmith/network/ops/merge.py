"""Ops that join branches, and the constant that a branch may be."""

from __future__ import annotations

from typing import ClassVar

from convsmith.errors import ShapeError
from convsmith.network import dims
from convsmith.network.dims import Dim, Shape
from convsmith.network.init import ZEROS, Init
from convsmith.network.ops.base import Elementwise, Op, Parameter, Rearrangement, Saved, operation


class _Joint(Elementwise):
    """Base of elementwise ops on several inputs. A side of 1 is repeated to fit: (C, 1, 1) or (1, H, W) are gates."""

    __slots__ = ()
    misfit: ClassVar[str]
    arity: ClassVar[int | None] = 2

    def shape(self, *inputs: Shape) -> Shape:
        whole = inputs[0]
        for other in inputs[1:]:
            joined = whole if dims.equal(whole, other) else dims.broadcast(whole, other)
            if joined is None:
                raise ShapeError(self.misfit.format(dims.text(whole), dims.text(other)))
            whole = joined
        return whole


@operation
class Add(_Joint):
    """The sum of branches."""

    kind: ClassVar[str] = "add"
    misfit: ClassVar[str] = "cannot add {} and {}"
    arity: ClassVar[int | None] = None

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return (len(inputs) - 1) * dims.elements(output)


@operation
class Subtract(_Joint):
    """The first input minus the second."""

    kind: ClassVar[str] = "subtract"
    misfit: ClassVar[str] = "cannot subtract {1} from {0}"


@operation
class Multiply(_Joint):
    """The product: a feature map times a weight for each element, channel (squeeze-and-excitation) or position."""

    kind: ClassVar[str] = "multiply"
    misfit: ClassVar[str] = "cannot multiply {} by {}"
    saved: ClassVar[Saved] = "inputs"


@operation
class Divide(_Joint):
    """The first input divided by the second."""

    kind: ClassVar[str] = "divide"
    misfit: ClassVar[str] = "cannot divide {} by {}"
    saved: ClassVar[Saved] = "inputs"


@operation
class Maximum(_Joint):
    """The larger of two inputs, element by element (maxout)."""

    kind: ClassVar[str] = "maximum"
    misfit: ClassVar[str] = "cannot compare {} and {}"
    saved: ClassVar[Saved] = "inputs"


@operation
class Minimum(_Joint):
    """The smaller of two inputs, element by element."""

    kind: ClassVar[str] = "minimum"
    misfit: ClassVar[str] = "cannot compare {} and {}"
    saved: ClassVar[Saved] = "inputs"


@operation
class Power(_Joint):
    """The first input to the power of the second: generalised-mean pooling has a trained exponent."""

    kind: ClassVar[str] = "power"
    misfit: ClassVar[str] = "cannot raise {} to the power of {}"
    saved: ClassVar[Saved] = "inputs"


@operation
class Concat(Rearrangement):
    """The branches one after the other along an axis, counted from 0 without the batch: 0 is channels."""

    kind: ClassVar[str] = "concat"
    arity: ClassVar[int | None] = None

    axis: int = 0

    def shape(self, *inputs: Shape) -> Shape:
        first, axis = inputs[0], self.axis
        dims.check_axes((axis,), first)
        length: Dim = 0
        for shape in inputs:
            others = shape[:axis] + shape[axis + 1 :]
            if len(shape) != len(first) or not dims.equal(others, first[:axis] + first[axis + 1 :]):
                raise ShapeError(f"cannot concatenate {' and '.join(dims.text(s) for s in inputs)}: sizes differ")
            length = length + shape[axis]
        return (*first[:axis], length, *first[axis + 1 :])


@operation
class Constant(Op):
    """A parameter, or a buffer if it is not `trainable`, as a node without inputs: value, of this `size`.

    ConvNeXt's layer scale is (C, 1, 1) multiplied into a branch; a learned position is (1, H, W) added to a map.
    """

    kind: ClassVar[str] = "constant"
    arity: ClassVar[int | None] = 0

    size: tuple[Dim, ...]
    trainable: bool = True
    init: Init = ZEROS

    def shape(self, *inputs: Shape) -> Shape:
        if not self.size:
            raise ShapeError("a constant needs at least one axis")
        return self.size

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        return (Parameter("value", self.size, self.init, self.trainable),)

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return 0

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return 0
