"""Functions of each element, and scales."""

from __future__ import annotations

from typing import ClassVar, Literal

from convsmith.errors import ShapeError
from convsmith.network import dims
from convsmith.network.dims import Dim, Shape, elements
from convsmith.network.init import ONES, QUARTER, ZEROS, Init
from convsmith.network.ops.base import Elementwise, Op, Parameter, Saved, feature_map, operation

Function = Literal[
    "relu", "relu6", "sigmoid", "tanh", "scaled_tanh", "silu", "hard_sigmoid", "hard_swish", "gelu",
    "gelu_tanh", "selu", "mish", "softsign", "log_sigmoid", "tanhshrink",
    "exp", "log", "sqrt", "rsqrt", "square", "reciprocal", "abs", "neg", "sign", "erf", "sin", "cos",
]  # fmt: skip

FROM_OUTPUT: tuple[Function, ...] = (
    "relu", "relu6", "sigmoid", "tanh", "scaled_tanh", "exp", "sqrt", "rsqrt", "reciprocal",
)  # fmt: skip
"""Functions whose derivative the backward pass computes from the output; for the others it keeps the input."""


@operation
class Activation(Elementwise):
    """A function of each element.

    `scaled_tanh` is LeNet-5's 1.7159 tanh(2x/3) (LeCun et al. 1998, appendix A), `hard_sigmoid` is relu6(x + 3) / 6,
    `gelu_tanh` is GELU's approximation by tanh. Functions with numbers of their own are ops of their own.
    """

    kind: ClassVar[str] = "activation"
    saved: ClassVar[Saved] = "output"

    function: Function

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def kept(self) -> Saved:
        return "output" if self.function in FROM_OUTPUT else "inputs"


class _Curve(Elementwise):
    """Base of functions of each element that have numbers of their own."""

    __slots__ = ()
    saved: ClassVar[Saved] = "inputs"

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]


@operation
class LeakyReLU(_Curve):
    """x where it is positive, `slope` times x elsewhere."""

    kind: ClassVar[str] = "leaky_relu"

    slope: float = 0.01


@operation
class ELU(_Curve):
    """x where it is positive, `alpha` (exp(x) - 1) elsewhere (Clevert et al. 2015)."""

    kind: ClassVar[str] = "elu"

    alpha: float = 1.0


@operation
class CELU(_Curve):
    """x where it is positive, `alpha` (exp(x / alpha) - 1) elsewhere (Barron 2017)."""

    kind: ClassVar[str] = "celu"

    alpha: float = 1.0


@operation
class Softplus(_Curve):
    """log(1 + exp(`beta` x)) / `beta`."""

    kind: ClassVar[str] = "softplus"

    beta: float = 1.0


@operation
class Hardshrink(_Curve):
    """x, and 0 between -`threshold` and `threshold`."""

    kind: ClassVar[str] = "hardshrink"

    threshold: float = 0.5


@operation
class Softshrink(_Curve):
    """x moved towards 0 by `threshold`, and 0 where it would pass it."""

    kind: ClassVar[str] = "softshrink"

    threshold: float = 0.5


@operation
class Clip(_Curve):
    """x cut to `low` and `high`; None does not cut. Hardtanh is Clip(-1, 1)."""

    kind: ClassVar[str] = "clip"

    low: float | None = None
    high: float | None = None

    def shape(self, *inputs: Shape) -> Shape:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ShapeError(f"cannot clip to {self.low:g} at least and {self.high:g} at most")
        return inputs[0]


@operation
class PReLU(_Curve):
    """x where it is positive, a trained slope times x elsewhere (He et al. 2015): weight (C,), or (1,) for all."""

    kind: ClassVar[str] = "prelu"

    per_channel: bool = True
    init: Init = QUARTER

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        return (Parameter("weight", inputs[0][:1] if self.per_channel else (1,), self.init),)


@operation
class Softmax(Elementwise):
    """Exponentials divided by their sum over one axis, counted from 0 without the batch: 0 is classes or channels."""

    kind: ClassVar[str] = "softmax"
    saved: ClassVar[Saved] = "output"

    axis: int = 0

    def shape(self, *inputs: Shape) -> Shape:
        dims.check_axes((self.axis,), inputs[0])
        return inputs[0]

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return 3 * elements(output)  # exponential, sum, quotient

    def whole(self, index: int, *inputs: Shape) -> tuple[int, ...]:
        return (self.axis,)


@operation
class LogSoftmax(Softmax):
    """The logarithm of softmax over one axis."""

    kind: ClassVar[str] = "log_softmax"


@operation
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


@operation
class Scale(Elementwise):
    """x * `factor` + `shift`, numbers that are not trained (Inception-ResNet's residual scaling; 1 - x)."""

    kind: ClassVar[str] = "scale"

    factor: float
    shift: float = 0.0

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return elements(output) * max(1, (self.factor != 1) + (self.shift != 0))


@operation
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
