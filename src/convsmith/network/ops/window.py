"""The arithmetic of sliding windows, shared by convolutions and pooling."""

from __future__ import annotations

from typing import Literal, TypeAlias

from convsmith.errors import ShapeError
from convsmith.network.dims import Dim, Pair, always, at_least, maximum
from convsmith.network.ops.base import Window

Padding: TypeAlias = tuple[int, int, int, int] | Literal["same"]
"""Zeros added at (top, bottom, left, right), or TensorFlow's rule: output = ceil(input / stride), odd zero last."""

NONE: Padding = (0, 0, 0, 0)


def symmetric(kernel: Pair, dilation: Pair = (1, 1)) -> Padding:
    """The padding that keeps the size at stride 1, for odd kernels."""
    y, x = dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2
    return (y, y, x, x)


def same(size: Dim, kernel: int, stride: int, dilation: int = 1) -> tuple[Dim, Dim]:
    """(before, after) by TensorFlow's "same" rule."""
    output = -(-size // stride)
    total = maximum((output - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2


def resolve(padding: Padding, size: tuple[Dim, Dim], kernel: Pair, stride: Pair, dilation: Pair) -> tuple[Dim, ...]:
    """Padding in numbers (top, bottom, left, right) for an input of this (height, width)."""
    if not isinstance(padding, str):
        return padding
    return (
        *same(size[0], kernel[0], stride[0], dilation[0]),
        *same(size[1], kernel[1], stride[1], dilation[1]),
    )


def slide(
    size: tuple[Dim, Dim], kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1), ceil: bool = False
) -> tuple[Dim, Dim]:
    """Output (height, width). With `ceil`, a last partial window counts if it starts inside the padded input.

    Raises ShapeError when the window is larger than the padded input, or no window at all.
    """
    if not at_least(1, *kernel, *stride, *dilation):
        raise ShapeError(f"kernel {kernel}, stride {stride} and dilation {dilation} must be at least 1")
    if isinstance(padding, str):
        return -(-size[0] // stride[0]), -(-size[1] // stride[1])
    if not at_least(0, *padding):
        raise ShapeError(f"padding {padding} must not be negative")
    top, bottom, left, right = padding
    return (
        _steps(size[0], kernel[0], stride[0], top, bottom, dilation[0], ceil),
        _steps(size[1], kernel[1], stride[1], left, right, dilation[1], ceil),
    )


def _steps(size: Dim, kernel: int, stride: int, before: int, after: int, dilation: int, ceil: bool) -> Dim:
    extent = dilation * (kernel - 1) + 1
    span = size + before + after - extent
    if not always(span >= 0):
        raise ShapeError(f"window of {extent} is larger than its padded input {span + extent}")
    if not ceil:
        return span // stride + 1
    steps = -(-span // stride) + 1
    return steps - ((steps - 1) * stride >= size + before)


def windows(
    size: tuple[Dim, Dim], kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)
) -> tuple[Window, Window]:
    top, _, left, _ = resolve(padding, size, kernel, stride, dilation)
    return (
        Window(dilation[0] * (kernel[0] - 1) + 1, stride[0], top),
        Window(dilation[1] * (kernel[1] - 1) + 1, stride[1], left),
    )
