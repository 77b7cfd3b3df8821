"""From a layer to the operator that computes it, before anything is fused."""

from __future__ import annotations

from functools import singledispatch

from convsmith.devices.unit import ONE, Sides, Unit
from convsmith.network import ops
from convsmith.network.ops import Op
from convsmith.network.ops.base import Rearrangement

STEM_CHANNELS = 8
"""Convolutions of fewer channels read an image."""


@singledispatch
def classify(op: Op, output: Sides, *inputs: Sides) -> Unit | None:
    """The operator of a layer; None where nothing is computed or moved. An unknown op is a function of each element."""
    return Unit("function", inputs[0], output, function=op.kind) if inputs else None


@classify.register
def _(op: ops.Conv, output: Sides, *inputs: Sides) -> Unit:
    channels = inputs[0][0]
    if op.groups == channels and channels > 1:
        kind = "depthwise"
    elif op.groups > 1:
        kind = "grouped"
    elif channels < STEM_CHANNELS:
        kind = "stem"
    else:
        kind = "pointwise" if op.kernel == ONE and op.stride == ONE else "conv"
    return Unit(kind, inputs[0], output, op.kernel, op.stride, op.dilation, op.groups)


@classify.register
def _(op: ops.TableConv, output: Sides, *inputs: Sides) -> Unit:
    return Unit("conv" if inputs[0][0] >= STEM_CHANNELS else "stem", inputs[0], output, op.kernel)


@classify.register
def _(op: ops.ConvTranspose, output: Sides, *inputs: Sides) -> Unit:
    return Unit("transposed", inputs[0], output, op.kernel, op.stride, op.dilation, op.groups)


@classify.register(ops.Linear)
@classify.register(ops.RadialBasis)
def _(op: Op, output: Sides, *inputs: Sides) -> Unit:
    return Unit("dense", inputs[0], output)


@classify.register
def _(op: ops.MatMul, output: Sides, *inputs: Sides) -> Unit:
    return Unit("matmul", inputs[0], output)


@classify.register(ops.MaxPool)
@classify.register(ops.AvgPool)
@classify.register(ops.LpPool)
def _(op: ops.MaxPool, output: Sides, *inputs: Sides) -> Unit:
    kind = "max_pool" if isinstance(op, ops.MaxPool) else "avg_pool"
    counted = "counted" if getattr(op, "count_padding", False) else ""
    return Unit(kind, inputs[0], output, op.kernel, op.stride, function=counted)


@classify.register(ops.AdaptiveAvgPool)
@classify.register(ops.AdaptiveMaxPool)
@classify.register(ops.Reduce)
def _(op: Op, output: Sides, *inputs: Sides) -> Unit | None:
    return None if output == inputs[0] else Unit("mean", inputs[0], output)


@classify.register(ops.Add)
@classify.register(ops.Subtract)
@classify.register(ops.Maximum)
@classify.register(ops.Minimum)
@classify.register(ops.Multiply)
@classify.register(ops.Divide)
@classify.register(ops.Power)
def _(op: Op, output: Sides, *inputs: Sides) -> Unit:
    kind = "product" if isinstance(op, (ops.Multiply, ops.Divide, ops.Power)) else "sum"
    gated = "" if all(shape == output for shape in inputs) else "gate"
    return Unit(kind, inputs[0], output, function=gated, inputs=len(inputs))


@classify.register
def _(op: ops.Concat, output: Sides, *inputs: Sides) -> Unit:
    return Unit("concat", inputs[0], output, inputs=len(inputs))


@classify.register(ops.BatchNorm)
@classify.register(ops.FixedNorm)
def _(op: Op, output: Sides, *inputs: Sides) -> Unit:
    return Unit("batch_norm", inputs[0], output, function=op.kind)


@classify.register
def _(op: ops.LocalResponseNorm, output: Sides, *inputs: Sides) -> Unit:
    return Unit("lrn", inputs[0], output)


@classify.register(ops.GroupNorm)
@classify.register(ops.InstanceNorm)
@classify.register(ops.L2Norm)
@classify.register(ops.LayerNorm)
@classify.register(ops.RMSNorm)
def _(op: Op, output: Sides, *inputs: Sides) -> Unit:
    return Unit("norm", inputs[0], output, function=op.kind)


@classify.register
def _(op: ops.Activation, output: Sides, *inputs: Sides) -> Unit:
    return Unit("function", inputs[0], output, function=op.function)


@classify.register(ops.Scale)
@classify.register(ops.Affine)
@classify.register(ops.SkipInit)
def _(op: Op, output: Sides, *inputs: Sides) -> Unit:
    return Unit("function", inputs[0], output, function="scale")


@classify.register
def _(op: ops.Softmax, output: Sides, *inputs: Sides) -> Unit:
    return Unit("softmax", inputs[0], output)


@classify.register(ops.Upsample)
@classify.register(ops.Resize)
def _(op: ops.Upsample, output: Sides, *inputs: Sides) -> Unit:
    return Unit("resize", inputs[0], output, function=op.mode)


@classify.register
def _(op: Rearrangement, output: Sides, *inputs: Sides) -> Unit:
    return Unit("move", inputs[0], output, function=op.kind)


@classify.register(ops.Flatten)
@classify.register(ops.Reshape)
@classify.register(ops.Constant)
@classify.register(ops.Dropout)
@classify.register(ops.AlphaDropout)
@classify.register(ops.StochasticDepth)
def _(op: Op, output: Sides, *inputs: Sides) -> None:
    """These are views, constants, and what exists in training only."""
