"""More of the builder's language: layers that fewer families have. `convsmith.network.builder` has them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convsmith.network import ops
from convsmith.network.dims import Dim, Pair
from convsmith.network.init import ZEROS, Init

if TYPE_CHECKING:
    from convsmith.network.builder import Tensor


def apply(op: ops.Op, *inputs: Tensor, name: str | None = None) -> Tensor:
    """Any op by its value: `apply(ops.LeakyReLU(0.1), x)`."""
    return inputs[0].builder.add(op.kind, op, inputs, name, None)


def constant(like: Tensor, size: tuple[Dim, ...], *, init: Init = ZEROS, name: str | None = None) -> Tensor:
    """A trained tensor of this size, to be joined to `like` or to other tensors of its network."""
    return like.builder.add("constant", ops.Constant(size, init=init), (), name, None)


def layer_scale(x: Tensor, value: float, *, name: str | None = None) -> Tensor:
    """A trained multiple for each channel of a residual branch, `value` at first (Touvron et al. 2021)."""
    gamma = constant(x, (x.channels, *(1,) * (len(x.shape) - 1)), init=Init("constant", value), name=name)
    return apply(ops.Multiply(), x, gamma)


def group_norm(x: Tensor, groups: Dim = 32, *, eps: float = 1e-5, name: str | None = None) -> Tensor:
    return x.builder.add("gn", ops.GroupNorm(groups, eps), (x,), name, None)


def layer_norm(
    x: Tensor, axes: tuple[int, ...] = (0,), *, eps: float = 1e-6, bias: bool = True, name: str | None = None
) -> Tensor:
    """Layer normalisation, over the channels of a map or the features of a vector unless `axes` says otherwise."""
    return x.builder.add("ln", ops.LayerNorm(axes, eps, bias=bias), (x,), name, None)


def instance_norm(x: Tensor, *, affine: bool = True, eps: float = 1e-5, name: str | None = None) -> Tensor:
    return x.builder.add("norm", ops.InstanceNorm(eps, scale=affine, bias=affine), (x,), name, None)


def leaky_relu(x: Tensor, slope: float = 0.01, *, name: str | None = None) -> Tensor:
    return x.builder.add("relu", ops.LeakyReLU(slope), (x,), name, None)


def prelu(x: Tensor, *, name: str | None = None) -> Tensor:
    """A rectifier with a trained slope for each channel."""
    return x.builder.add("prelu", ops.PReLU(), (x,), name, None)


def softmax(x: Tensor, axis: int = 0, *, name: str | None = None) -> Tensor:
    return x.builder.add("softmax", ops.Softmax(axis), (x,), name, None)


def global_max_pool(x: Tensor, *, name: str | None = None) -> Tensor:
    """The largest value of each channel: (C, H, W) -> (C, 1, 1)."""
    return x.builder.add("maxpool", ops.AdaptiveMaxPool((1, 1)), (x,), name, None)


def channel_mean(x: Tensor, *, name: str | None = None) -> Tensor:
    """The mean of all channels at each position: (C, H, W) -> (1, H, W)."""
    return x.builder.add("mean", ops.Reduce("mean", (0,), keep=True), (x,), name, None)


def channel_max(x: Tensor, *, name: str | None = None) -> Tensor:
    """The largest value of all channels at each position: (C, H, W) -> (1, H, W)."""
    return x.builder.add("max", ops.Reduce("max", (0,), keep=True), (x,), name, None)


def resize(x: Tensor, size: Pair, *, name: str | None = None) -> Tensor:
    """The map brought to (height, width) by bilinear interpolation."""
    return x.builder.add("resize", ops.Resize(size, "bilinear"), (x,), name, None)


def pixel_shuffle(x: Tensor, factor: int, *, name: str | None = None) -> Tensor:
    """A map `factor` times as high and wide, of channels that become positions."""
    return x.builder.add("shuffle", ops.PixelShuffle(factor), (x,), name, None)


def subtract(x: Tensor, y: Tensor, *, name: str | None = None) -> Tensor:
    return x.builder.add("sub", ops.Subtract(), (x, y), name, None)


def matmul(x: Tensor, y: Tensor, *, name: str | None = None) -> Tensor:
    """The matrix product over the last two axes."""
    return x.builder.add("matmul", ops.MatMul(), (x, y), name, None)


def reshape(x: Tensor, size: tuple[Dim, ...], *, name: str | None = None) -> Tensor:
    return x.builder.add("reshape", ops.Reshape(size), (x,), name, None)


def permute(x: Tensor, axes: tuple[int, ...], *, name: str | None = None) -> Tensor:
    """The axes in another order, counted from 0 without the batch."""
    return x.builder.add("permute", ops.Permute(axes), (x,), name, None)
