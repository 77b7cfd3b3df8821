"""The gradients of depthwise convolution in bfloat16 on a CPU, without oneDNN's reference code.

oneDNN has fast kernels for all but two of them: the gradient for the input where the stride is not 1, and that for
filters larger than 3x3, run in plain loops, 30 times as slow as forward (`docs/speed.md`). Both are written here with
the kernels that are fast, and are the same numbers but for rounding.
"""

from __future__ import annotations

from itertools import product
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from convsmith.network.dims import Pair

FAST = 3
"""The largest side of filters whose gradient has a fast kernel."""


def is_slow(x: Tensor, weight: Tensor, stride: Pair, dilation: Pair, groups: int) -> bool:
    """Whether the gradients of this convolution would run in reference code."""
    depthwise = groups == x.shape[1] == weight.shape[0] > 1 and dilation == (1, 1)
    trained = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    if not (depthwise and trained and x.device.type == "cpu" and (stride != (1, 1) or max(weight.shape[2:]) > FAST)):
        return False
    autocast = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    return autocast or x.dtype == weight.dtype == torch.bfloat16


def depthwise(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair) -> Tensor:
    """`F.conv2d` of x (N, C, H, W) with a filter for each channel, weight (C, 1, h, w), in bfloat16."""
    x, weight = x.to(torch.bfloat16), weight.to(torch.bfloat16)
    y = cast("Tensor", _Depthwise.apply(x, weight, stride, padding))  # type: ignore[no-untyped-call]
    return y if bias is None else y + bias.to(torch.bfloat16)[:, None, None]


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, None, stride, padding, 1, x.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        for_x, for_weight, *_ = ctx.needs_input_grad
        return (
            input_gradient(gradients[0], weight, tuple(x.shape[2:]), ctx.stride, ctx.padding) if for_x else None,
            weight_gradient(gradients[0], x, tuple(weight.shape[2:]), ctx.stride, ctx.padding) if for_weight else None,
            None,
            None,
        )


def input_gradient(gradient: Tensor, weight: Tensor, size: Pair, stride: Pair, padding: Pair) -> Tensor:
    """The gradient for an input of `size`: a convolution of the output's, spread by the stride, with turned filters."""
    kernel = tuple(weight.shape[2:])
    n, channels, *outputs = gradient.shape
    height, width = (side + window - 1 for side, window in zip(size, kernel, strict=True))
    spread = gradient.new_zeros((n, height, width, channels)).permute(0, 3, 1, 2)
    rows, columns = (
        slice(window - 1 - pad, window - 1 - pad + (count - 1) * step + 1, step)
        for window, pad, count, step in zip(kernel, padding, outputs, stride, strict=True)
    )
    spread[:, :, rows, columns] = gradient
    return F.conv2d(spread, weight.flip(2, 3), groups=channels)


def weight_gradient(gradient: Tensor, x: Tensor, kernel: Pair, stride: Pair, padding: Pair) -> Tensor:
    """The gradient for filters (C, 1, *kernel), a part of at most 3x3 at a time, each from a shifted input."""
    channels, (height, width) = x.shape[1], gradient.shape[2:]
    tiles = list(product(_starts(kernel[0]), _starts(kernel[1])))
    if len(tiles) == 1:
        return _filters(gradient, x, kernel, stride, padding)
    padded = F.pad(x, (padding[1], padding[1], padding[0], padding[0]))
    whole = x.new_empty((channels, 1, *kernel))
    tile = (min(FAST, kernel[0]), min(FAST, kernel[1]))
    for top, left in tiles:
        bottom, right = top + (height - 1) * stride[0] + tile[0], left + (width - 1) * stride[1] + tile[1]
        seen = padded[:, :, top:bottom, left:right].contiguous(memory_format=torch.channels_last)
        whole[:, :, top : top + tile[0], left : left + tile[1]] = _filters(gradient, seen, tile, stride, (0, 0))
    return whole


def _starts(window: int) -> list[int]:
    """Where parts of at most 3 begin that cover a window; the last ones may overlap."""
    return [0] if window <= FAST else [*range(0, window - FAST, FAST), window - FAST]


def _filters(gradient: Tensor, x: Tensor, kernel: Pair, stride: Pair, padding: Pair) -> Tensor:
    channels = x.shape[1]
    weight = x.new_empty((channels, 1, *kernel)).contiguous(memory_format=torch.channels_last)
    result: Tensor = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, padding, (1, 1), False, (0, 0), channels, [False, True, False]
    )[1]
    return result
