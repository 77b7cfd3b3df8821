"""Max pooling of 2x2 windows at stride 2 on a CPU, as four maxima of whole rows.

torch walks NCHW windows one number at a time and keeps an 8-byte index of each: in LeNet-5 it takes as long as the
convolutions (`docs/speed.md`). Here comparisons are kept, a byte each; values and gradients are the same bits.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor


def is_slow(x: Tensor) -> bool:
    """Whether torch pools (N, C, H, W) a number at a time: channels-last, it goes over channels at once."""
    plain = x.ndim == 4 and x.dtype == torch.float32 and x.is_contiguous()
    return plain and x.device.type == "cpu" and min(x.shape[2:]) > 1


def max_pool_2x2(x: Tensor) -> Tensor:
    """`F.max_pool2d(x, 2)` of (N, C, H, W): an odd last row or column is left out."""
    x = x[:, :, : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2]
    if torch.is_grad_enabled() and x.requires_grad:
        return cast("Tensor", _Pool.apply(x))  # type: ignore[no-untyped-call]
    rows = torch.maximum(x[..., 0::2], x[..., 1::2])
    return torch.maximum(rows[:, :, 0::2], rows[:, :, 1::2])


class _Pool(torch.autograd.Function):
    """Of equal numbers the first gets the gradient, by rows, as torch has it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        left, right = x[..., 0::2], x[..., 1::2]
        rows = torch.maximum(left, right)
        top, bottom = rows[:, :, 0::2], rows[:, :, 1::2]
        ctx.save_for_backward(right > left, bottom > top)
        return torch.maximum(top, bottom)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        is_right, is_bottom = ctx.saved_tensors
        gradient = gradients[0]
        n, channels, height, width = gradient.shape
        rows = gradient.new_empty(n, channels, 2 * height, width)
        lower = torch.mul(gradient, is_bottom, out=rows[:, :, 1::2])
        torch.sub(gradient, lower, out=rows[:, :, 0::2])
        whole = gradient.new_empty(n, channels, 2 * height, 2 * width)
        later = torch.mul(rows, is_right, out=whole[..., 1::2])
        torch.sub(rows, later, out=whole[..., 0::2])
        return whole
