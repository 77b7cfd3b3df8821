"""Aim: each of our own kernels is faster than torch's, forward and backward, on one core.

Pooling and depthwise convolution at the sizes that they have in LeNet-5, VGG-16, MobileNetV2 and
EfficientNet-B0. The sides are interleaved and the best of each is compared; `docs/speed.md` says why they are there.

    python benchmarks/kernels.py
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from convsmith.backend.depthwise import depthwise
from convsmith.backend.pooling import max_pool_2x2
from row import Row, show

SECONDS = 4
"""What the rounds of one case take."""

NHWC, BF16 = torch.channels_last, torch.bfloat16


@dataclass(frozen=True)
class Case:
    """The same function of a tensor, as torch has it and as we have it."""

    name: str
    shape: tuple[int, int, int, int]
    torchs: Callable[[Tensor], Tensor]
    ours: Callable[[Tensor], Tensor]
    dtype: torch.dtype = torch.float32
    memory_format: torch.memory_format = torch.contiguous_format


def convolution(
    channels: int, kernel: int, stride: int
) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """A depthwise convolution on either side."""
    pad = kernel // 2
    weight = torch.randn(channels, 1, kernel, kernel).to(BF16).requires_grad_()
    torchs = lambda x: F.conv2d(x, weight, None, stride, pad, 1, channels)  # noqa: E731
    return torchs, lambda x: depthwise(x, weight, None, (stride, stride), (pad, pad))


CASES = (
    Case("max pooling, LeNet-5's first", (128, 6, 28, 28), lambda x: F.max_pool2d(x, 2), max_pool_2x2),
    Case("max pooling, VGG-16's first", (8, 64, 224, 224), lambda x: F.max_pool2d(x, 2), max_pool_2x2),
    Case("depthwise 3x3/2, MobileNetV2's second", (16, 96, 112, 112), *convolution(96, 3, 2), BF16, NHWC),
    Case("depthwise 5x5, EfficientNet-B0's", (16, 240, 28, 28), *convolution(240, 5, 1), BF16, NHWC),
)


def milliseconds(function: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor) -> float:
    start = time.perf_counter()
    function(x).backward(gradient)
    return 1000 * (time.perf_counter() - start)


def measure(case: Case) -> Row:
    x = torch.randn(case.shape).to(case.dtype).contiguous(memory_format=case.memory_format).requires_grad_()
    gradient = torch.ones_like(case.torchs(x))
    best = {"torchs": float("inf"), "ours": float("inf")}
    sides = {"torchs": case.torchs, "ours": case.ours}
    deadline = time.perf_counter() + SECONDS
    while time.perf_counter() < deadline:
        for name, function in sides.items():
            best[name] = min(best[name], milliseconds(function, x, gradient))
    ratio = best["torchs"] / best["ours"]
    figures = f"{ratio:.1f}x: {best['ours']:.2f} ms against {best['torchs']:.2f}"
    return Row(f"`kernels.py`: {case.name}, {'x'.join(map(str, case.shape))}", "faster", figures, ratio > 1)


def rows() -> Iterator[Row]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield from map(measure, CASES)
    torch.set_num_threads(threads)


if __name__ == "__main__":
    show(rows())
