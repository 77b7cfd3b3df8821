"""The few layers that torch.nn lacks."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convsmith.backend import pooling
from convsmith.backend.depthwise import depthwise, is_slow
from convsmith.network.dims import Pair
from convsmith.network.ops.window import Padding, resolve


def padded(x: Tensor, padding: Padding, kernel: Pair, stride: Pair, dilation: Pair, value: float = 0.0) -> Tensor:
    """Pad (N, C, H, W) by uneven or "same" padding, which depends on the size at hand."""
    top, bottom, left, right = resolve(padding, (x.shape[2], x.shape[3]), kernel, stride, dilation)
    return F.pad(x, (left, right, top, bottom), value=value)


class Conv2d(nn.Conv2d):
    """Convolution whose gradients have fast kernels everywhere."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        stride, padding, dilation = cast("tuple[Pair, Pair, Pair]", (self.stride, self.padding, self.dilation))
        if is_slow(input, weight, stride, dilation, self.groups):
            return depthwise(input, weight, bias, stride, padding)
        y: Tensor = super()._conv_forward(input, weight, bias)
        return y


class UnevenConv2d(Conv2d):
    """Convolution whose padding differs between sides, or follows TensorFlow's "same" rule."""

    def __init__(self, inputs: int, channels: int, kernel: Pair, uneven: Padding, **geometry: object) -> None:
        super().__init__(inputs, channels, kernel, **geometry)  # type: ignore[arg-type]
        self.uneven = uneven

    def forward(self, input: Tensor) -> Tensor:
        kernel, stride, dilation = cast("tuple[Pair, Pair, Pair]", (self.kernel_size, self.stride, self.dilation))
        return super().forward(padded(input, self.uneven, kernel, stride, dilation))


class StandardizedConv2d(UnevenConv2d):
    """Convolution whose filters are standardised, scaled to variance 1 / fan in, and multiplied by a gain each."""

    def __init__(
        self, inputs: int, channels: int, kernel: Pair, uneven: Padding, *, eps: float, **geometry: object
    ) -> None:
        super().__init__(inputs, channels, kernel, uneven, **geometry)
        self.gain = nn.Parameter(torch.empty(channels, 1, 1, 1))
        self.eps = eps

    def forward(self, input: Tensor) -> Tensor:
        kernel, stride, dilation = cast("tuple[Pair, Pair, Pair]", (self.kernel_size, self.stride, self.dilation))
        images = padded(input, self.uneven, kernel, stride, dilation)
        weight = standardized(self.weight, self.gain, self.eps)
        return F.conv2d(images, weight, self.bias, stride, 0, dilation, self.groups)


def standardized(weight: Tensor, gain: Tensor, eps: float) -> Tensor:
    """Filters (out, in, h, w) at mean 0 and variance 1 / fan in (var / fan in + eps under the root), times `gain`."""
    variance, mean = torch.var_mean(weight, dim=(1, 2, 3), correction=0, keepdim=True)
    return (weight - mean) * torch.rsqrt((variance + eps) * weight[0].numel()) * gain


class UnevenConvTranspose2d(nn.ConvTranspose2d):
    """Transposed convolution from whose result the sides (top, bottom, left, right) are cut, not alike."""

    def __init__(
        self,
        inputs: int,
        channels: int,
        kernel: Pair,
        stride: Pair,
        uneven: tuple[int, int, int, int],
        *geometry: Any,
    ) -> None:
        super().__init__(inputs, channels, kernel, stride, 0, *geometry)
        self.uneven = uneven

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        top, bottom, left, right = self.uneven
        return F.pad(super().forward(input, output_size), (-left, -right, -top, -bottom))


class MaxPool2d(nn.MaxPool2d):
    """Max pooling whose usual window, 2x2 at stride 2, is fast in every memory format."""

    def forward(self, input: Tensor) -> Tensor:
        halves = self.kernel_size == self.stride == (2, 2) and self.padding == (0, 0) and not self.ceil_mode
        if halves and self.dilation == (1, 1) and pooling.is_slow(input):
            return pooling.max_pool_2x2(input)
        largest: Tensor = super().forward(input)
        return largest


class UnevenMaxPool2d(nn.MaxPool2d):
    """Max pooling with uneven or "same" padding, which never wins."""

    def __init__(self, kernel: Pair, stride: Pair, uneven: Padding, *, dilation: Pair, ceil: bool) -> None:
        super().__init__(kernel, stride, dilation=dilation, ceil_mode=ceil)
        self.uneven = uneven

    def forward(self, input: Tensor) -> Tensor:
        kernel, stride, dilation = cast("tuple[Pair, Pair, Pair]", (self.kernel_size, self.stride, self.dilation))
        largest: Tensor = super().forward(padded(input, self.uneven, kernel, stride, dilation, float("-inf")))
        return largest


class UnevenAvgPool2d(nn.AvgPool2d):
    """Mean pooling with uneven or "same" padding, which counts in the mean if `count_padding`."""

    def __init__(self, kernel: Pair, stride: Pair, uneven: Padding, *, ceil: bool, count_padding: bool) -> None:
        super().__init__(kernel, stride, ceil_mode=ceil)
        self.uneven, self.count_padding = uneven, count_padding

    def forward(self, input: Tensor) -> Tensor:
        kernel, stride = cast("tuple[Pair, Pair]", (self.kernel_size, self.stride))
        mean = super().forward(padded(input, self.uneven, kernel, stride, (1, 1)))
        if self.count_padding:
            return mean
        return mean / super().forward(padded(torch.ones_like(input[:1, :1]), self.uneven, kernel, stride, (1, 1)))


class PaddedLpPool2d(nn.LPPool2d):
    """Power-average pooling with padding, whose zeros add nothing to the sum."""

    def __init__(self, p: float, kernel: Pair, stride: Pair, uneven: Padding, *, ceil: bool) -> None:
        super().__init__(p, kernel, stride, ceil)
        self.uneven = uneven

    def forward(self, input: Tensor) -> Tensor:
        kernel, stride = cast("tuple[Pair, Pair]", (self.kernel_size, self.stride))
        pooled: Tensor = super().forward(padded(input, self.uneven, kernel, stride, (1, 1)))
        return pooled


class TableConv2d(nn.Module):
    """Convolution by a connection table: output map i sees the input maps `table[i]`."""

    def __init__(self, table: tuple[tuple[int, ...], ...], inputs: int, kernel: Pair) -> None:
        super().__init__()
        connections = [(out, source) for out, row in enumerate(table) for source in row]
        self.shape = (len(table), inputs, *kernel)
        self.weight = nn.Parameter(torch.empty(len(connections), *kernel))
        self.bias = nn.Parameter(torch.empty(len(table)))
        self.rows = [out for out, _ in connections]
        self.columns = [source for _, source in connections]

    def forward(self, x: Tensor) -> Tensor:
        dense = self.weight.new_zeros(self.shape)
        rows = torch.tensor(self.rows, device=x.device)
        columns = torch.tensor(self.columns, device=x.device)
        return F.conv2d(x, dense.index_put((rows, columns), self.weight), self.bias)


class RadialBasis(nn.Module):
    """Minus the squared distance from (N, F) to each class's fixed code."""

    weight: Tensor

    def __init__(self, classes: int, features: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.empty(classes, features))

    def forward(self, x: Tensor) -> Tensor:
        return -(x.unsqueeze(1) - self.weight).square().sum(2)


class Affine2d(nn.Module):
    """A coefficient and a bias for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight[:, None, None] + self.bias[:, None, None]


class SkipInit(nn.Module):
    """A trained multiple of the input."""

    def __init__(self) -> None:
        super().__init__()
        self.skipinit_gain = nn.Parameter(torch.empty(()))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.skipinit_gain


class ReLU6(nn.ReLU6):
    """Keeps its output for the backward pass, as the next convolution does; torch's keeps its input besides."""

    def forward(self, input: Tensor) -> Tensor:
        if not (torch.is_grad_enabled() and input.requires_grad):
            return super().forward(input)
        return cast("Tensor", _ReLU6.apply(input))  # type: ignore[no-untyped-call]


class _ReLU6(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = F.relu6(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(gradients[0], y, 0.0, 6.0)  # type: ignore[no-any-return]


class Quantize(nn.Module):
    """Each element at the nearest value of a grid; gradients pass where it is not held at an end.

    torch's own `fake_quantize_per_tensor_affine` computes the same, but cannot be compiled, exported or run on "meta".
    """

    def __init__(self, scale: float, zero_point: int, lowest: int, highest: int) -> None:
        super().__init__()
        self.scale, self.zero_point = scale, zero_point
        self.ends = lowest, highest

    def forward(self, x: Tensor) -> Tensor:
        whole = torch.round(x.detach() / self.scale) + self.zero_point
        held = whole.clamp(*self.ends)
        rounded = (held - self.zero_point) * self.scale
        if not (torch.is_grad_enabled() and x.requires_grad):
            return rounded
        return cast("Tensor", _StraightThrough.apply(x, rounded, whole == held))  # type: ignore[no-untyped-call]


class _StraightThrough(torch.autograd.Function):
    """The second input forward; gradients backward to the first where the third is true."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rounded: Tensor, passes: Tensor) -> Tensor:
        ctx.save_for_backward(passes)
        return rounded

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (passes,) = ctx.saved_tensors
        return gradients[0] * passes, None, None


class ScaledTanh(nn.Module):
    """1.7159 tanh(2x / 3): f(1) = 1, f(-1) = -1 (LeCun et al. 1998, appendix A)."""

    def forward(self, x: Tensor) -> Tensor:
        return 1.7159 * torch.tanh(x * (2 / 3))


class StochasticDepth(nn.Module):
    """Drops the branch of whole images in training, and scales the others up to keep the mean."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        kept = torch.rand(x.shape[0], *(1,) * (x.ndim - 1), device=x.device) >= self.p
        return x * kept.to(x.dtype) / (1 - self.p)


class Constant(nn.Module):
    """A parameter or buffer as a tensor of its own: (N, *size), for as many images as there are in `x`."""

    value: Tensor

    def __init__(self, size: tuple[int, ...], *, trainable: bool) -> None:
        super().__init__()
        if trainable:
            self.value = nn.Parameter(torch.empty(size))
        else:
            self.register_buffer("value", torch.empty(size))

    def forward(self, x: Tensor) -> Tensor:
        return self.value.expand(x.shape[0], *self.value.shape)


def scale(x: Tensor, factor: float, shift: float) -> Tensor:
    """x * factor + shift."""
    return x * factor + shift
