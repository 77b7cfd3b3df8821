"""Fully connected layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from convsmith.network.dims import Dim, Shape, elements
from convsmith.network.init import LECUN, ZEROS, Init
from convsmith.network.ops.base import Op, Parameter, Rearrangement, Saved, vector


@dataclass(frozen=True, slots=True)
class Flatten(Rearrangement):
    """(C, H, W) -> (C * H * W,), channels slowest."""

    kind: ClassVar[str] = "flatten"

    def shape(self, *inputs: Shape) -> Shape:
        return (elements(inputs[0]),)


@dataclass(frozen=True, slots=True)
class Linear(Op):
    """Dense layer: weight (features, F), bias (features,)."""

    kind: ClassVar[str] = "linear"
    saved: ClassVar[Saved] = "inputs"

    features: Dim
    bias: bool = True
    init: Init = LECUN
    bias_init: Init = ZEROS

    def shape(self, *inputs: Shape) -> Shape:
        vector(inputs[0])
        return (self.features,)

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        weight = Parameter("weight", (self.features, inputs[0][0]), self.init)
        return (weight, Parameter("bias", (self.features,), self.bias_init)) if self.bias else (weight,)

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return self.features * inputs[0][0]

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return self.features if self.bias else 0


@dataclass(frozen=True, slots=True)
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
