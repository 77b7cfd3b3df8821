"""Rules for pooling and resampling."""

from __future__ import annotations

from collections.abc import Sequence

from convsmith.backend.read.draft import Value
from convsmith.backend.read.module.call import Call, Symbol, pair_of, rule
from convsmith.network import ops
from convsmith.network.ops.resample import Interpolation
from convsmith.network.ops.window import Padding


@rule("max_pool2d", "max_pool1d", "max_pool2d_with_indices", "max_pool1d_with_indices")
def max_pool(call: Call) -> Symbol:
    rank = len(call.laid("self").sizes) - 2
    kernel, stride, padding = _geometry(call, rank)
    value = call.maps(call.laid("self"), rank)
    value, padding = _unpadded(call, value, padding, float("-inf"))
    dilation = pair_of(call["dilation"]) if rank == 2 else (pair_of(call["dilation"])[0], 1)
    pooled = call.add(ops.MaxPool(kernel, stride, padding, bool(call["ceil_mode"]), dilation), value, word="pool")
    result = call.lay(pooled)
    return (result, None) if call.packet.endswith("indices") else result


@rule("avg_pool2d", "avg_pool1d")
def avg_pool(call: Call) -> Symbol:
    if call.get("divisor_override"):
        call.refuse("a mean with a divisor of its own", "scale the mean by a number")
    rank = len(call.laid("self").sizes) - 2
    kernel, stride, padding = _geometry(call, rank)
    value, counted = call.maps(call.laid("self"), rank), bool(call["count_include_pad"])
    if padding == (0, 0, 0, 0):
        value, padding = _unpadded(call, value, padding, 0.0)
        counted = padding != (0, 0, 0, 0)
    return call.lay(
        call.add(ops.AvgPool(kernel, stride, padding, bool(call["ceil_mode"]), counted), value, word="pool")
    )


def _geometry(call: Call, rank: int) -> tuple[tuple[int, int], tuple[int, int], Padding]:
    """Kernel, stride and padding; a sequence lies along the vertical."""
    kernel = pair_of(call["kernel_size"])
    stride = pair_of(call["stride"] or list(kernel))
    vertical, horizontal = pair_of(call["padding"])
    if rank == 1:
        kernel, stride, horizontal = (kernel[0], 1), (stride[0], 1), 0
    return kernel, stride, (vertical, vertical, horizontal, horizontal)


def _unpadded(call: Call, value: Value, padding: Padding, filling: float) -> tuple[Value, Padding]:
    """What a layer of its own puts around the map, as the pooling's own padding, where that counts alike."""
    op = call.draft.op_of(value)
    if not isinstance(op, ops.Pad) or op.channels != (0, 0) or op.mode != "constant":
        return value, padding
    if op.value != filling or min(op.padding) < 0 or padding != (0, 0, 0, 0):
        return value, padding
    return call.draft.inputs_of(value)[0], op.padding


@rule(
    "adaptive_avg_pool2d", "adaptive_avg_pool1d", "_adaptive_avg_pool2d", "adaptive_max_pool2d", "adaptive_max_pool1d"
)
def adaptive_pool(call: Call) -> Symbol:
    rank = len(call.laid("self").sizes) - 2
    size = pair_of(call["output_size"]) if rank == 2 else (pair_of(call["output_size"])[0], 1)
    value = call.maps(call.laid("self"), rank)
    if "max" in call.packet:
        return call.lay(call.add(ops.AdaptiveMaxPool(size), value, word="pool")), None
    return call.lay(call.add(ops.AdaptiveAvgPool(size), value, word="pool"))


MODES: dict[str, Interpolation] = {
    "upsample_nearest2d": "nearest",
    "_upsample_nearest_exact2d": "nearest_exact",
    "upsample_bilinear2d": "bilinear",
    "upsample_bicubic2d": "bicubic",
}


@rule(*MODES)
def resample(call: Call) -> Symbol:
    value = call.maps(call.laid("input" if "input" in call.arguments else "self"))
    mode, corners = MODES[call.packet], bool(call.get("align_corners", False))
    factors: Sequence[float] | None = call.get("scale_factors")
    if factors is None and call.get("scales_h") and call.get("scales_w"):
        factors = (call["scales_h"], call["scales_w"])
    if factors:
        op: ops.Op = ops.Upsample((float(factors[0]), float(factors[1])), mode, corners)
    else:
        op = ops.Resize((call.sizes[2], call.sizes[3]), mode, corners)
    return call.lay(call.add(op, value, word="upsample"))
