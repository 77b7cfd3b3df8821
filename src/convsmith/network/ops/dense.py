"""Fully connected layers and matrix products."""

from __future__ import annotations

from typing import ClassVar

from convsmith.errors import ShapeError
from convsmith.network.dims import Dim, Shape, broadcast, elements, equal, text
from convsmith.network.init import LECUN, ZEROS, Init
from convsmith.network.ops.base import Op, Parameter, Saved, operation, vector


@operation
class Linear(Op):
    """Dense layer over the last axis: weight (features, F), bias (features,).

    The input is a vector (F,), or any shape (..., F) whose other axes it treats alike (ConvNeXt: (H, W, C)).
    """

    kind: ClassVar[str] = "linear"
    saved: ClassVar[Saved] = "inputs"

    features: Dim
    bias: bool = True
    init: Init = LECUN
    bias_init: Init = ZEROS

    def shape(self, *inputs: Shape) -> Shape:
        return (*inputs[0][:-1], self.features)

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        weight = Parameter("weight", (self.features, inputs[0][-1]), self.init)
        return (weight, Parameter("bias", (self.features,), self.bias_init)) if self.bias else (weight,)

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return elements(output) * inputs[0][-1]

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return elements(output) if self.bias else 0

    def whole(self, index: int, *inputs: Shape) -> tuple[int, ...]:
        return (len(inputs[0]) - 1,)


@operation
class RadialBasis(Op):
    """Minus the squared distance to each class's fixed code: weight (classes, F), not trained.

    LeNet-5's output layer (LeCun et al. 1998, section II.B): the class with the smallest penalty wins, so the
    negated penalty serves as the logit.
    """

    kind: ClassVar[str] = "radial_basis"
    saved: ClassVar[Saved] = "inputs"

    classes: int

    def shape(self, *inputs: Shape) -> Shape:
        vector(inputs[0])
        return (self.classes,)

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        return (Parameter("weight", (self.classes, inputs[0][0]), Init("signs"), trainable=False),)

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return self.classes * inputs[0][0]

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return self.classes * inputs[0][0]

    def whole(self, index: int, *inputs: Shape) -> tuple[int, ...]:
        return (0,)


@operation
class MatMul(Op):
    """The matrix product of two branches, (..., M, K) by (..., K, N), as attention has it."""

    kind: ClassVar[str] = "matmul"
    arity: ClassVar[int | None] = 2
    saved: ClassVar[Saved] = "inputs"

    def shape(self, *inputs: Shape) -> Shape:
        first, second = inputs
        leading = broadcast(first[:-2], second[:-2]) if min(len(first), len(second)) > 1 else None
        if leading is None or not equal(first[-1:], second[-2:-1]):
            raise ShapeError(f"cannot multiply the matrices {text(first)} and {text(second)}")
        return (*leading, first[-2], second[-1])

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return elements(output) * inputs[0][-1]

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return 0

    def whole(self, index: int, *inputs: Shape) -> tuple[int, ...]:
        return (len(inputs[index]) - (2 if index else 1),)
