"""Ops and counts in a few words, as tables and pictures have them: `conv 3x3 / 2, 64`, `25.6 M`."""

from __future__ import annotations

from collections.abc import Sequence
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
def _(op: ops.LpPool) -> str:
    return f"L{op.p:g} pool {_window(op.kernel, op.stride)}"


@describe.register
def _(op: ops.AdaptiveAvgPool) -> str:
    return "global average pool" if op.size == (1, 1) else f"average pool to {_by(op.size)}"


@describe.register
def _(op: ops.AdaptiveMaxPool) -> str:
    return "global max pool" if op.size == (1, 1) else f"max pool to {_by(op.size)}"


@describe.register
def _(op: ops.Reduce) -> str:
    where = {(0,): "channels", (1, 2): "space", (1,): "rows", (2,): "columns"}.get(op.axes, f"axes {_list(op.axes)}")
    return f"{op.function} over {where}"


@describe.register
def _(op: ops.GroupNorm) -> str:
    return f"group norm {op.groups}"


@describe.register
def _(op: ops.Clip) -> str:
    low, high = ("" if limit is None else f"{limit:g}" for limit in (op.low, op.high))
    return f"clip {low}..{high}"


@describe.register
def _(op: ops.Constant) -> str:
    return f"{'parameter' if op.trainable else 'constant'} {_by(op.size)}"


@describe.register(ops.Reshape)
@describe.register(ops.Expand)
def _(op: ops.Reshape | ops.Expand) -> str:
    return f"{op.kind} to {_by(op.size)}"


@describe.register
def _(op: ops.Permute) -> str:
    return f"permute {_list(op.axes)}"


@describe.register
def _(op: ops.Pad) -> str:
    return "pad" if op.mode == "constant" else f"{op.mode} pad"


@describe.register
def _(op: ops.Activation) -> str:
    return op.function.replace("_", " ")


@describe.register(ops.Dropout)
@describe.register(ops.StochasticDepth)
def _(op: ops.Dropout | ops.StochasticDepth) -> str:
    return f"{op.kind.replace('_', ' ')} {op.p:g}"


@describe.register
def _(op: ops.Scale) -> str:
    shift = f" and shift {op.shift:g}" if op.shift else ""
    return f"shift {op.shift:g}" if op.factor == 1 and op.shift else f"scale {op.factor:g}{shift}"


@describe.register
def _(op: ops.Slice) -> str:
    what = {0: "channels", 1: "rows", 2: "columns"}.get(op.axis, f"axis {op.axis},")
    step = "" if op.step == 1 else f" by {op.step}"
    return f"{what} {op.start} to {op.stop}{step}"


@describe.register
def _(op: ops.ChannelShuffle) -> str:
    return f"shuffle {op.groups} groups"


@describe.register(ops.PixelShuffle)
@describe.register(ops.PixelUnshuffle)
def _(op: ops.PixelShuffle | ops.PixelUnshuffle) -> str:
    return f"{op.kind.replace('_', ' ')} {op.factor}"


@describe.register
def _(op: ops.Upsample) -> str:
    return f"{_resampled(op)}upsample {op.factor[0]:g}x{op.factor[1]:g}"


@describe.register
def _(op: ops.Resize) -> str:
    return f"{_resampled(op)}resize to {_by(op.size)}"


def _resampled(op: ops.Upsample | ops.Resize) -> str:
    return "" if op.mode == "nearest" else f"{op.mode.replace('_', ' ')} "


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


def _by(sides: Sequence[int]) -> str:
    return "x".join(map(str, sides))


def _list(axes: Sequence[int]) -> str:
    return ", ".join(map(str, axes))


def _side(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"
