"""One fused operator, as an engine runs it: what a table has a time for."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.network.dims import Pair

Sides = tuple[int, ...]

ONE: Pair = (1, 1)


@dataclass(frozen=True, slots=True)
class Unit:
    """An operator and all that decides how long it takes: shapes, window, what is fused into it.

    - `kind`: what it is, one of `KINDS`.
    - `input`, `output`: shapes without the batch axis, (C, H, W) for a map, of the first input.
    - `kernel`, `stride`, `dilation`: of a convolution or pooling, (height, width); `groups` of a convolution.
    - `function`: the function that is fused into it, or that it is; "" for none.
    - `inputs`: how many tensors of the output's size it reads: 2 for a convolution that adds a shortcut.
    - `blocked`: whether the engine keeps channels in blocks there (ONNX Runtime's NCHWc layout).
    - `footprint`: the weights of the whole network, in steps of a factor of 2 (see `footprint_of`): whether they are
      still in a cache when the next run needs them.
    """

    kind: str
    input: Sides
    output: Sides
    kernel: Pair = ONE
    stride: Pair = ONE
    dilation: Pair = ONE
    groups: int = 1
    function: str = ""
    inputs: int = 1
    blocked: bool = False
    footprint: int = 0

    @property
    def macs(self) -> int:
        """Multiply-adds, as `convsmith.cost` counts them."""
        if self.kind in PRODUCTS:
            inputs = self.input[-1] if self.kind in ("dense", "matmul") else self.input[0] // self.groups
            area = self.input if self.kind == "transposed" else self.output
            scale = (self.output[0] / self.input[0]) if self.kind == "transposed" else 1
            return int(size(area) * scale * inputs * self.kernel[0] * self.kernel[1])
        return 0

    @property
    def moved(self) -> int:
        """Numbers read and written, weights apart."""
        return size(self.input) + self.inputs * size(self.output)

    @property
    def weights(self) -> int:
        """Numbers in its weights."""
        if self.kind == "dense":
            return self.input[-1] * self.output[-1]
        if self.kind in PRODUCTS and self.kind != "matmul":
            return self.output[0] * self.input[0] // self.groups * self.kernel[0] * self.kernel[1]
        return 0


PRODUCTS = ("stem", "pointwise", "conv", "depthwise", "grouped", "transposed", "dense", "matmul")
"""Kinds with multiply-adds. A stem is a convolution of few channels, an image's."""

KINDS = (
    *PRODUCTS,
    "max_pool", "avg_pool", "mean", "sum", "product", "function", "batch_norm", "norm", "lrn", "softmax", "concat",
    "move", "resize", "reorder",
)  # fmt: skip
"""`batch_norm` multiplies and adds by channel, `norm` computes statistics, `lrn` is local response norm, `mean` a
global pooling, `move` copies elements (slice, pad, permute, shuffle), `reorder` changes the layout."""


def size(shape: Sides) -> int:
    """The elements of a shape."""
    count = 1
    for side in shape:
        count *= side
    return count


def footprint_of(weights: int) -> int:
    """The step of a network's numbers in weights: 0 up to 32,768 numbers (128 KiB), one more for each doubling."""
    return max(0, (weights - 1).bit_length() - 15)
