"""Ops that keep the shape: normalisation, activation, regularisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from convsmith.network.dims import Dim, Shape, elements
from convsmith.network.init import ONES, ZEROS, Init
from convsmith.network.ops.base import Elementwise, Op, Parameter, Rearrangement, Saved, feature_map

Function = Literal["relu", "relu6", "sigmoid", "tanh", "scaled_tanh", "silu", "hard_sigmoid", "hard_swish", "gelu"]


@dataclass(frozen=True, slots=True)
class BatchNorm(Op):
    """Normalisation by channel with running statistics (Ioffe and Szegedy 2015): weight, bias, mean, variance (C,).

    `momentum` is the weight of a new batch in the running statistics (TensorFlow states one minus it).
    """

    kind: ClassVar[str] = "batch_norm"
    saved: ClassVar[Saved] = "inputs"

    eps: float = 1e-5
    momentum: float = 0.1
    scale: bool = True
    """Whether there is a weight (gamma); Keras' Inception leaves it out before a rectifier."""
    init: Init = ONES

    def shape(self, *inputs: Shape) -> Shape:
        feature_map(inputs[0])
        return inputs[0]

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        shape = inputs[0][:1]
        parameters = (
            Parameter("bias", shape, ZEROS),
            Parameter("running_mean", shape, ZEROS, trainable=False),
            Parameter("running_var", shape, ONES, trainable=False),
        )
        return (Parameter("weight", shape, self.init), *parameters) if self.scale else parameters

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return 0

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return 2 * elements(output)


@dataclass(frozen=True, slots=True)
class FixedNorm(Op):
    """(x - mean) / sqrt(variance) by channel, with statistics that are given and never change: mean, variance (C,).

    Keras' `Normalization` layer, by which its EfficientNets normalise the pixels themselves.
    """

    kind: ClassVar[str] = "fixed_norm"

    def shape(self, *inputs: Shape) -> Shape:
        feature_map(inputs[0])
        return inputs[0]

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        shape = inputs[0][:1]
        return (
            Parameter("mean", shape, ZEROS, trainable=False),
            Parameter("variance", shape, ONES, trainable=False),
        )

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return 0

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return 2 * elements(output)


@dataclass(frozen=True, slots=True)
class LocalResponseNorm(Op):
    """x / (k + alpha / size * sum of squares over `size` neighbouring channels) ^ beta (AlexNet, section 3.3).

    `alpha` is divided by `size`, as Caffe and PyTorch do; the paper's 1e-4 is not divided.
    """

    kind: ClassVar[str] = "local_response_norm"
    saved: ClassVar[Saved] = "inputs"

    size: int = 5
    alpha: float = 5e-4
    beta: float = 0.75
    k: float = 2.0

    def shape(self, *inputs: Shape) -> Shape:
        feature_map(inputs[0])
        return inputs[0]

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return 0

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return (2 * self.size + 3) * elements(output)


@dataclass(frozen=True, slots=True)
class Activation(Elementwise):
    """A function of each element. `scaled_tanh` is LeNet-5's 1.7159 tanh(2x/3) (LeCun et al. 1998, appendix A)."""

    kind: ClassVar[str] = "activation"
    saved: ClassVar[Saved] = "output"

    function: Function

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]


@dataclass(frozen=True, slots=True)
class Affine(Op):
    """One trainable coefficient and bias for each channel: x * weight + bias (LeNet-5's subsampling, section II.B)."""

    kind: ClassVar[str] = "affine"
    saved: ClassVar[Saved] = "inputs"

    def shape(self, *inputs: Shape) -> Shape:
        feature_map(inputs[0])
        return inputs[0]

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        return (Parameter("weight", inputs[0][:1], ONES), Parameter("bias", inputs[0][:1], ZEROS))

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return 0

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return 2 * elements(output)


@dataclass(frozen=True, slots=True)
class Scale(Elementwise):
    """Multiplication by a constant (Inception-ResNet's residual scaling)."""

    kind: ClassVar[str] = "scale"

    factor: float

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]


@dataclass(frozen=True, slots=True)
class SkipInit(Elementwise):
    """Multiplication by one trained number that begins at 0, so that a block begins as its shortcut.

    De and Smith 2020 (arXiv 2002.10444). skipinit_gain ().
    """

    kind: ClassVar[str] = "skip_init"
    saved: ClassVar[Saved] = "inputs"

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        return (Parameter("skipinit_gain", (), ZEROS),)


@dataclass(frozen=True, slots=True)
class Dropout(Rearrangement):
    """Zeros elements with probability `p` in training, by element; nothing in evaluation."""

    kind: ClassVar[str] = "dropout"
    training_only: ClassVar[bool] = True
    saved: ClassVar[Saved] = "output"

    p: float = 0.5

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]


@dataclass(frozen=True, slots=True)
class StochasticDepth(Rearrangement):
    """Zeros a residual branch with probability `p` in training, by image (Huang et al. 2016)."""

    kind: ClassVar[str] = "stochastic_depth"
    training_only: ClassVar[bool] = True

    p: float

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]
