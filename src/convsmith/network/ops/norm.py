"""Normalisation."""

from __future__ import annotations

from typing import ClassVar

from convsmith.errors import ShapeError
from convsmith.network import dims
from convsmith.network.dims import Dim, Shape, elements
from convsmith.network.init import ONES, ZEROS, Init
from convsmith.network.ops.base import Op, Parameter, Saved, feature_map, operation

STATISTICS = 5
"""Operations for each element where evaluation computes mean and variance: sum; difference, square, sum; quotient."""


class _Norm(Op):
    """Base of ops that keep the shape and compute no products of matrices."""

    __slots__ = ()

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return 0


def _affine(shape: Shape, scale: bool, bias: bool, init: Init = ONES) -> tuple[Parameter, ...]:
    weight = (Parameter("weight", shape, init),) if scale else ()
    return (*weight, Parameter("bias", shape, ZEROS)) if bias else weight


def _running(shape: Shape) -> tuple[Parameter, ...]:
    return (
        Parameter("running_mean", shape, ZEROS, trainable=False),
        Parameter("running_var", shape, ONES, trainable=False),
    )


@operation
class BatchNorm(_Norm):
    """Normalisation by channel with running statistics (Ioffe and Szegedy 2015): weight, bias, mean, variance (C,).

    `momentum` is the weight of a new batch in the running statistics (TensorFlow states one minus it). The input is a
    feature map (C, H, W), a sequence (C, L) or a vector (C,).
    """

    kind: ClassVar[str] = "batch_norm"
    saved: ClassVar[Saved] = "inputs"

    eps: float = 1e-5
    momentum: float = 0.1
    scale: bool = True
    """Whether there is a weight (gamma); Keras' Inception leaves it out before a rectifier."""
    init: Init = ONES
    bias: bool = True
    """Whether there is a bias (beta)."""

    def shape(self, *inputs: Shape) -> Shape:
        if len(inputs[0]) > 3:
            raise ShapeError(f"needs a feature map (C, H, W) or a vector, got {dims.text(inputs[0])}")
        return inputs[0]

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        shape = inputs[0][:1]
        return (*_affine(shape, self.scale, self.bias, self.init), *_running(shape))

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return 2 * elements(output)


@operation
class FixedNorm(_Norm):
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

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return 2 * elements(output)


@operation
class GroupNorm(_Norm):
    """Normalisation of each group of channels over all its positions (Wu and He 2018): weight, bias (C,).

    The first axis of the input is its channels. One group is layer norm over the whole map with parameters by channel.
    """

    kind: ClassVar[str] = "group_norm"
    saved: ClassVar[Saved] = "inputs"

    groups: Dim = 32
    eps: float = 1e-5
    scale: bool = True
    bias: bool = True
    init: Init = ONES

    def shape(self, *inputs: Shape) -> Shape:
        channels = inputs[0][0]
        if not dims.always(self.groups > 0):
            raise ShapeError(f"{self.groups} groups: must be at least 1")
        if not dims.always(channels % self.groups == 0):
            raise ShapeError(f"{channels} channels do not divide into {self.groups} groups")
        return inputs[0]

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        return _affine(inputs[0][:1], self.scale, self.bias, self.init)

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return (STATISTICS + self.scale + self.bias) * elements(output)


@operation
class InstanceNorm(_Norm):
    """Normalisation of each channel of each image over its positions (Ulyanov et al. 2016): weight, bias (C,).

    With `running`, evaluation uses running statistics as batch norm does: running_mean, running_var (C,).
    """

    kind: ClassVar[str] = "instance_norm"
    saved: ClassVar[Saved] = "inputs"

    eps: float = 1e-5
    momentum: float = 0.1
    scale: bool = False
    bias: bool = False
    running: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        feature_map(inputs[0])
        return inputs[0]

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        shape = inputs[0][:1]
        return (*_affine(shape, self.scale, self.bias), *(_running(shape) if self.running else ()))

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return (2 if self.running else STATISTICS + self.scale + self.bias) * elements(output)


@operation
class LayerNorm(_Norm):
    """Normalisation of each image over some axes (Ba et al. 2016): weight, bias of the size of these axes.

    Axes count from 0 without the batch: (0,) is the channels of a feature map (ConvNeXt) or a whole vector, (0, 1, 2)
    a whole map, (2,) the last axis of a map that was permuted to (H, W, C).
    """

    kind: ClassVar[str] = "layer_norm"
    saved: ClassVar[Saved] = "inputs"

    axes: tuple[int, ...] = (0,)
    eps: float = 1e-5
    scale: bool = True
    bias: bool = True

    def shape(self, *inputs: Shape) -> Shape:
        return _over(self.axes, inputs[0])

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        return _affine(tuple(inputs[0][axis] for axis in self.axes), self.scale, self.bias)

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return (STATISTICS + self.scale + self.bias) * elements(output)


@operation
class RMSNorm(_Norm):
    """x / sqrt(mean of squares + eps) over some axes (Zhang and Sennrich 2019): weight as layer norm has it."""

    kind: ClassVar[str] = "rms_norm"
    saved: ClassVar[Saved] = "inputs"

    axes: tuple[int, ...] = (0,)
    eps: float = 1e-6
    scale: bool = True

    def shape(self, *inputs: Shape) -> Shape:
        return _over(self.axes, inputs[0])

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        return _affine(tuple(inputs[0][axis] for axis in self.axes), self.scale, bias=False)

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return (3 + self.scale) * elements(output)  # square, sum, quotient


@operation
class L2Norm(_Norm):
    """x / max(length, eps), the length taken over some axes: vectors of length 1."""

    kind: ClassVar[str] = "l2_norm"
    saved: ClassVar[Saved] = "inputs"

    axes: tuple[int, ...] = (0,)
    eps: float = 1e-12

    def shape(self, *inputs: Shape) -> Shape:
        return _over(self.axes, inputs[0])

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return 3 * elements(output)  # square, sum, quotient


@operation
class LocalResponseNorm(_Norm):
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

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return (2 * self.size + 3) * elements(output)


def _over(axes: tuple[int, ...], shape: Shape) -> Shape:
    dims.check_axes(axes, shape)
    return shape
