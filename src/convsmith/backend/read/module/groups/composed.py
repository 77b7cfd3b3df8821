"""Layers of torch's and of ours that compute in steps, known by their class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from convsmith.backend import layers, norms
from convsmith.backend.read.laid import Known
from convsmith.backend.read.module.call import Call, Symbol
from convsmith.network import ops
from convsmith.network.ops.window import Padding


def composed_reader(module: nn.Module, path: str) -> Callable[[Call], Symbol] | None:
    """What reads such a layer, which stands at this path; None for layers whose operations say what they are."""
    describe = LAYERS.get(type(module))
    if describe is None:
        return None
    op = describe(module)

    def read(call: Call) -> Symbol:
        value = call.settle(call.laid("input"))
        weights = {}
        for parameter in op.parameters(value.shape):
            name = f"{path}.{parameter.name}"
            weights[parameter.name] = Known(getattr(module, parameter.name).detach(), frozenset([name]), name)
        return call.lay(call.add(op, value, weights=weights))

    return read


def _conv(layer: Any) -> ops.Op:
    return ops.Conv(
        layer.out_channels, layer.kernel_size, layer.stride, layer.uneven, layer.dilation, layer.groups,
        layer.bias is not None,
    )  # fmt: skip


def _standardized(layer: Any) -> ops.Op:
    return ops.StandardizedConv(
        layer.out_channels, layer.kernel_size, layer.stride, layer.uneven, layer.dilation, layer.groups,
        layer.bias is not None, eps=layer.eps,
    )  # fmt: skip


def _table(layer: Any) -> ops.Op:
    rows: list[list[int]] = [[] for _ in range(layer.shape[0])]
    for row, column in zip(layer.rows, layer.columns, strict=True):
        rows[row].append(column)
    return ops.TableConv(tuple(tuple(row) for row in rows), tuple(layer.shape[2:]))


def _max_pool(layer: Any, padding: Padding | None = None) -> ops.Op:
    vertical, horizontal = layer.padding if isinstance(layer.padding, tuple) else (layer.padding,) * 2
    even = (vertical, vertical, horizontal, horizontal)
    return ops.MaxPool(layer.kernel_size, layer.stride, padding or even, layer.ceil_mode, layer.dilation)


def _quantize(layer: Any) -> ops.Op:
    low, high = layer.ends
    return ops.Quantize(layer.scale, layer.zero_point, (high - low + 1).bit_length() - 1, low < 0)


LAYERS: dict[type[nn.Module], Callable[[Any], ops.Op]] = {
    layers.UnevenConv2d: _conv,
    layers.StandardizedConv2d: _standardized,
    layers.MaxPool2d: _max_pool,
    layers.UnevenMaxPool2d: lambda layer: _max_pool(layer, layer.uneven),
    layers.UnevenAvgPool2d: lambda layer: ops.AvgPool(
        layer.kernel_size, layer.stride, layer.uneven, layer.ceil_mode, layer.count_padding
    ),
    layers.PaddedLpPool2d: lambda layer: ops.LpPool(
        layer.kernel_size, layer.stride, layer.uneven, layer.ceil_mode, float(layer.norm_type)
    ),
    layers.TableConv2d: _table,
    layers.RadialBasis: lambda layer: ops.RadialBasis(layer.weight.shape[0]),
    layers.Quantize: _quantize,
    layers.Affine2d: lambda _: ops.Affine(),
    layers.SkipInit: lambda _: ops.SkipInit(),
    layers.ScaledTanh: lambda _: ops.Activation("scaled_tanh"),
    norms.FixedNorm2d: lambda _: ops.FixedNorm(),
    norms.AxesLayerNorm: lambda layer: ops.LayerNorm(
        layer.axes, layer.eps, layer.weight is not None, layer.bias is not None
    ),
    norms.AxesRMSNorm: lambda layer: ops.RMSNorm(layer.axes, layer.eps, layer.weight is not None),
    norms.L2Norm: lambda layer: ops.L2Norm(layer.axes, layer.eps),
    nn.Tanhshrink: lambda _: ops.Activation("tanhshrink"),
    nn.Softsign: lambda _: ops.Activation("softsign"),
}
