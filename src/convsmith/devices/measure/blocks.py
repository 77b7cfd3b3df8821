"""Blocks of which the measured networks are made: the arrangements that engines fuse, at any shape.

Each takes a feature map, the channels wanted, a stride and a `Point`: a place in the unit cube from a low-discrepancy
sequence, which decides on kernel, expansion, groups and function. No block is any zoo family's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from convsmith.network import ops
from convsmith.network.builder import (
    Tensor,
    activation,
    add,
    apply,
    avg_pool,
    batch_norm,
    channel_shuffle,
    channel_slice,
    concat,
    conv,
    conv_norm,
    conv_norm_act,
    conv_transpose,
    group_norm,
    instance_norm,
    layer_norm,
    layer_scale,
    leaky_relu,
    local_response_norm,
    max_pool,
    pad,
    permute,
    prelu,
    relu,
    scale,
    standardized_conv,
)
from convsmith.network.ops.pointwise import Function
from convsmith.zoo.blocks import squeeze_excite

Choice = TypeVar("Choice")

FUSED: tuple[Function, ...] = ("relu", "relu6", "silu", "relu", "hard_swish", "sigmoid", "gelu", "relu", "mish", "tanh")
AFTER_SUMS: tuple[Function, ...] = ("relu", "relu", "silu")
MOBILE: tuple[Function, ...] = ("relu6", "silu", "relu", "hard_swish", "silu")
SMOOTH: tuple[Function, ...] = ("silu", "gelu", "silu", "gelu", "gelu_tanh", "hard_swish", "relu")
KERNELS = (3, 5, 3, 7, 3, 1)
GROUP_WIDTHS = (4, 8, 16, 24, 32, 40, 64, 128, 14)


class Point:
    """A place in the unit cube, one coordinate for each decision, in the order in which they are made."""

    def __init__(self, coordinates: Sequence[float]) -> None:
        self._left = list(coordinates)

    def next(self) -> float:
        """The next coordinate, in [0, 1); the middle once they are used up."""
        return self._left.pop(0) if self._left else 0.5

    def of(self, choices: Sequence[Choice]) -> Choice:
        return choices[min(int(self.next() * len(choices)), len(choices) - 1)]

    def between(self, low: float, high: float) -> float:
        """A number on a logarithmic scale."""
        return float(low * (high / low) ** self.next())


def plain(x: Tensor, channels: int, stride: int, point: Point) -> Tensor:
    """Convolution, norm, activation; or convolution with bias."""
    kernel, function, norm = point.of((1, 3, 5, 3, 7, 1, 3, 11)), point.of(FUSED), point.next() < 0.7
    if norm:
        return conv_norm_act(x, channels, kernel, stride, function=function)
    return activation(conv(x, channels, kernel, stride), function)


def linear_conv(x: Tensor, channels: int, stride: int, point: Point) -> Tensor:
    """Two convolutions without an activation between them; the second has no bias and a dilation."""
    x = conv_norm(x, channels, point.of((1, 3)), stride)
    return conv(x, channels, 3, dilation=point.of((1, 2, 1)), bias=False)


def basic(x: Tensor, channels: int, stride: int, point: Point) -> Tensor:
    """Two convolutions and a shortcut, activated after the sum."""
    function = point.of(AFTER_SUMS)
    y = conv_norm_act(x, channels, 3, stride, function=function)
    y = conv_norm(y, channels, 3)
    shortcut = x if x.shape == y.shape else conv_norm(x, channels, 1, stride)
    return activation(add(y, shortcut), function)


def bottleneck(x: Tensor, channels: int, stride: int, point: Point) -> Tensor:
    """1x1, 3x3 that may be grouped, 1x1, and a shortcut; perhaps squeeze-and-excitation."""
    width, grouped, excited = int(channels / point.between(1, 5)), point.next() < 0.5, point.next() < 0.3
    each = point.of(GROUP_WIDTHS)
    width = max(each, width // each * each) if grouped else max(4, width)
    y = conv_norm_act(x, width, 1)
    y = conv_norm_act(y, width, 3, stride, groups=width // each if grouped else 1)
    y = conv_norm(y, channels, 1)
    y = squeeze_excite(y, max(4, channels // 16)) if excited else y
    shortcut = x if x.shape == y.shape else conv_norm(x, channels, 1, stride)
    return relu(add(y, shortcut))


def inverted(x: Tensor, channels: int, stride: int, point: Point) -> Tensor:
    """1x1 expansion, depthwise, 1x1 projection; perhaps squeeze-and-excitation."""
    function, kernel = point.of(MOBILE), point.of((3, 5, 3, 7, 5, 3))
    expand, excited = point.of((1, 2, 3, 4, 6, 6)), point.next() < 0.6
    inner = min(expand * x.channels, 4096)
    y = conv_norm_act(x, inner, 1, function=function) if expand > 1 else x
    y = conv_norm_act(y, inner, kernel, stride, groups=inner, function=function)
    if excited:
        squeezed = max(4, int(x.channels / point.of((4, 2, 4, 1))))
        y = squeeze_excite(y, squeezed, function=function if function != "relu6" else "relu")
    y = conv_norm(y, channels, 1)
    return add(x, y) if y.shape == x.shape else y


def separable(x: Tensor, channels: int, stride: int, point: Point) -> Tensor:
    """Rectifier, depthwise, 1x1, norm, without anything between; twice, and a sum."""
    kernel = point.of(KERNELS[:-1])
    y = x
    for step in (stride, 1):
        y = conv(relu(y), y.channels, kernel, step, groups=y.channels, bias=False)
        y = batch_norm(conv(y, channels, 1, bias=False))
    pooled = x if stride == 1 else max_pool(x, 3, stride, padding=(1, 1, 1, 1))
    return add(y, pooled if pooled.shape == y.shape else conv_norm(x, channels, 1, stride))


def depthwise_first(x: Tensor, channels: int, stride: int, point: Point) -> Tensor:
    """Depthwise and 1x1, both normed and activated."""
    function = point.of(FUSED)
    y = conv_norm_act(x, x.channels, point.of(KERNELS[:-1]), stride, groups=x.channels, function=function)
    return conv_norm_act(y, channels, 1, function=function)


def preactivated(x: Tensor, channels: int, stride: int, point: Point) -> Tensor:
    """Norm, activation, convolution, twice or thrice, and a sum that is not activated."""
    function, deep = point.of(AFTER_SUMS), point.next() < 0.5
    y = activation(batch_norm(x), function)
    shortcut = x if stride == 1 and x.channels == channels else conv(y, channels, 1, stride, bias=False)
    if deep:
        width = max(8, channels // 4)
        y = conv_norm_act(conv_norm_act(y, width, 1), width, 3, stride)
        return add(conv(y, channels, 1, bias=point.next() < 0.5), shortcut)
    y = conv(conv_norm_act(y, channels, 3, stride), channels, 3, bias=False)
    return add(y, shortcut)


def dense(x: Tensor, channels: int, stride: int, point: Point) -> Tensor:
    """Layers that each see all before them, then a norm, a 1x1 convolution and a pooling."""
    growth, layers = max(8, int(channels / point.between(4, 16))), point.of((2, 3, 4, 5))
    narrow, function = point.next() < 0.7, point.of(AFTER_SUMS)
    for _ in range(layers):
        y = activation(batch_norm(x), function)
        y = conv_norm_act(y, 4 * growth, 1) if narrow else y
        x = concat(x, conv(y, growth, 3, bias=False))
    x = conv(activation(batch_norm(x), function), channels, 1, bias=False)
    return avg_pool(x, 2, 2) if stride > 1 else x


def towers(x: Tensor, channels: int, stride: int, point: Point) -> Tensor:
    """Branches of 1x1, 3x3, 1xk and kx1, and a pooling, side by side."""
    quarter, long = max(8, channels // 4), point.of((7, 3, 5))
    narrow = max(8, int(quarter * point.between(0.3, 1)))
    first = conv_norm_act(x, quarter, 1 if stride == 1 else 3, stride)
    second = conv_norm_act(conv_norm_act(x, narrow, 1), quarter, 3, stride)
    third = conv_norm_act(conv_norm_act(x, narrow, 1), narrow, (1, long))
    third = conv_norm_act(conv_norm_act(third, narrow, (long, 1)), quarter, 3, stride)
    if point.next() < 0.5:
        pooled = max_pool(x, 3, stride, padding=(1, 1, 1, 1))
    else:
        pooled = avg_pool(x, 3, stride, padding=(1, 1, 1, 1))
    fourth = conv_norm_act(pooled, quarter, 1) if point.next() < 0.7 else pooled
    return concat(first, second, third, fourth)


def fire(x: Tensor, channels: int, stride: int, point: Point) -> Tensor:
    """A narrow 1x1, then 1x1 and 3x3 side by side, with biases and without norms."""
    squeezed = max(8, int(channels / point.between(4, 10)))
    x = max_pool(x, 3, 2, ceil=point.next() < 0.5) if stride > 1 else x
    y = relu(conv(x, squeezed, 1))
    half = max(8, channels // 2)
    return concat(relu(conv(y, half, 1)), relu(conv(y, half, 3)))


def shuffled(x: Tensor, channels: int, stride: int, point: Point) -> Tensor:
    """Half of the channels pass, half are convolved, and all are shuffled."""
    half = max(8, channels // 2)
    if stride == 1 and x.channels % 2 == 0:
        half = x.channels // 2
        kept, worked = channel_slice(x, 0, half), channel_slice(x, half, x.channels)
    else:
        kept, worked = conv_norm_act(conv_norm(x, x.channels, 3, stride, groups=x.channels), half, 1), x
    y = conv_norm_act(worked, half, 1)
    y = conv_norm(y, half, point.of((3, 5)), stride, groups=half)
    return channel_shuffle(concat(kept, conv_norm_act(y, half, 1)), 2)


def normless(x: Tensor, channels: int, stride: int, point: Point) -> Tensor:
    """Scaled activations and standardised convolutions, grouped, with squeeze-and-excitation."""
    function, each = point.of(SMOOTH), point.of((64, 128, 32, 16))
    width = max(each, int(channels / point.between(1, 4)) // each * each)
    y = scale(activation(x, function), 1.7)
    pooled = avg_pool(y, 2, stride, ceil=True) if stride > 1 else y
    shortcut = x if pooled.shape[0] == channels and stride == 1 else standardized_conv(pooled, channels, 1)
    y = standardized_conv(y, width, 1)
    y = standardized_conv(scale(activation(y, function), 1.7), width, 3, stride, groups=width // each)
    y = standardized_conv(scale(activation(y, function), 1.7), channels, 1)
    y = scale(squeeze_excite(y, max(4, channels // 2)), 2.0) if point.next() < 0.6 else scale(y, 0.2)
    return add(y, shortcut)


def pooled(x: Tensor, channels: int, stride: int, point: Point) -> Tensor:
    """A pooling alone, and a convolution after it."""
    kernel, step, largest = point.of((2, 3, 3, 5)), point.of((2, 1, 2)), point.next() < 0.5
    around = (kernel // 2,) * 4
    step = step if min(x.shape[1:]) >= 8 else 1
    y = max_pool(x, kernel, step, padding=around) if largest else avg_pool(x, kernel, step, padding=around)
    return conv_norm_act(y, channels, 1)


NORMS: tuple[Callable[[Tensor], Tensor], ...] = (
    batch_norm,
    local_response_norm,
    local_response_norm,
    lambda x: layer_norm(x),
    lambda x: group_norm(x, 4) if x.channels % 4 == 0 else batch_norm(x),
    instance_norm,
    lambda x: layer_norm(x, (0, 1, 2)),
)
FUNCTIONS: tuple[Function, ...] = (
    "sigmoid", "silu", "tanh", "gelu", "hard_swish", "hard_sigmoid", "relu6", "mish", "relu", "gelu_tanh", "selu",
)  # fmt: skip


def pointwise(x: Tensor, channels: int, stride: int, point: Point) -> Tensor:
    """A norm and functions that nothing before them absorbs."""
    y = conv(x, channels, 1, stride)
    y = point.of(NORMS)(y)
    y = activation(pad(y, (1, 1, 0, 0)), point.of(FUNCTIONS))
    curved = point.next()
    if curved < 0.3:
        return leaky_relu(y, 0.1)
    if curved < 0.5:
        return prelu(y)
    return apply(ops.ELU(), y) if curved < 0.7 else scale(y, 0.5)


def joined(x: Tensor, channels: int, stride: int, point: Point) -> Tensor:
    """Sums and products of maps, with layers that only move data."""
    y = conv_norm_act(x, channels, 1, stride)
    z = conv_norm(y, channels, 3, groups=channels)
    y = add(y, z, y) if point.next() < 0.5 else apply(ops.Multiply(), y, z)
    y = layer_scale(y, 0.5) if point.next() < 0.5 else permute(permute(y, (1, 2, 0)), (2, 0, 1))
    return apply(ops.Maximum(), y, z) if point.next() < 0.3 else add(y, z)


def enlarged(x: Tensor, channels: int, stride: int, point: Point) -> Tensor:
    """Down, up again by a transposed convolution or by repeating, and joined to what was before."""
    if min(x.shape[1:]) < 8 or max(x.shape[1:]) > 128:
        return conv_norm_act(x, channels, 3)
    half = max(8, channels // 2)
    y = conv_norm_act(conv_norm_act(x, half, 3), channels, 3, 2)
    if point.next() < 0.5:
        y = conv_transpose(y, half, 2, 2)
    else:
        modes = (ops.Upsample((2, 2)), ops.Upsample((2, 2), "bilinear"))
        y = apply(point.of(modes), y)
    height, width = (min(a, b) for a, b in zip(x.shape[1:], y.shape[1:], strict=True))
    crop = pad(x, (0, height - x.shape[1], 0, width - x.shape[2])) if x.shape[1:] != (height, width) else x
    fit = pad(y, (0, height - y.shape[1], 0, width - y.shape[2])) if y.shape[1:] != (height, width) else y
    return conv_norm_act(concat(fit, crop), half, 3)


Block = Callable[[Tensor, int, int, Point], Tensor]

BLOCKS: dict[Block, int] = {
    plain: 8,
    linear_conv: 2,
    basic: 4,
    bottleneck: 6,
    inverted: 8,
    separable: 3,
    depthwise_first: 4,
    preactivated: 4,
    dense: 5,
    towers: 4,
    fire: 2,
    shuffled: 3,
    normless: 4,
    pooled: 2,
    pointwise: 3,
    joined: 2,
    enlarged: 2,
}
"""How often each occurs, beside the others."""
