"""Ops and counts in a few words, as tables and pictures have them: `conv 3x3 / 2, 64`, `25.6 M`."""

from __future__ import annotations

from functools import singledispatch

from convsmith.network import ops
from convsmith.network.dims import Pair


@singledispatch
def describe(op: ops.Op) -> str:
    """The op's kind and the figures that matter; only the kind where there are none."""
    return op.kind.replace("_", " ")


@describe.register
def _(op: ops.Conv) -> str:
    depthwise = isinstance(op.groups, int) and op.groups > 1 and op.groups == op.channels
    groups = "" if depthwise or (isinstance(op.groups, int) and op.groups == 1) else f", {op.groups} groups"
    dilation = "" if op.dilation == (1, 1) else f", dilated {_side(op.dilation)}"
    kind = "depthwise" if depthwise else "conv"
    return f"{kind} {_window(op.kernel, op.stride)}, {op.channels}{groups}{dilation}"


@describe.register
def _(op: ops.ConvTranspose) -> str:
    return f"conv transpose {_window(op.kernel, op.stride)}, {op.channels}"


@describe.register
def _(op: ops.TableConv) -> str:
    return f"conv {_window(op.kernel)}, {len(op.table)}, {op.connections} connections"


@describe.register
def _(op: ops.Linear) -> str:
    return f"linear {op.features}"


@describe.register
def _(op: ops.RadialBasis) -> str:
    return f"radial basis {op.classes}"


@describe.register
def _(op: ops.MaxPool) -> str:
    return f"max pool {_window(op.kernel, op.stride)}"


@describe.register
def _(op: ops.AvgPool) -> str:
    return f"average pool {_window(op.kernel, op.stride)}"


@describe.register
def _(op: ops.AdaptiveAvgPool) -> str:
    return "global average pool" if op.size == (1, 1) else f"average pool to {op.size[0]}x{op.size[1]}"


@describe.register
def _(op: ops.Activation) -> str:
    return op.function.replace("_", " ")


@describe.register(ops.Dropout)
@describe.register(ops.StochasticDepth)
def _(op: ops.Dropout | ops.StochasticDepth) -> str:
    return f"{op.kind.replace('_', ' ')} {op.p:g}"


@describe.register
def _(op: ops.Scale) -> str:
    return f"scale {op.factor:g}"


@describe.register
def _(op: ops.Slice) -> str:
    return f"channels {op.start} to {op.stop}"


@describe.register
def _(op: ops.ChannelShuffle) -> str:
    return f"shuffle {op.groups} groups"


@describe.register
def _(op: ops.Upsample) -> str:
    return f"upsample {op.factor[0]}x{op.factor[1]}"


@describe.register
def _(op: ops.Quantize) -> str:
    return f"quantize to {op.bits} bits"


def short(count: float) -> str:
    """Three significant digits and K, M, G or T: 25.6 M."""
    for unit in ("", " K", " M", " G"):
        if abs(count) < 999.5:
            return f"{count:.3g}{unit}"
        count /= 1000
    return f"{count:.3g} T"


def _window(kernel: Pair, stride: Pair = (1, 1)) -> str:
    size = f"{kernel[0]}x{kernel[1]}"
    return size if stride == (1, 1) else f"{size} / {_side(stride)}"


def _side(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"
