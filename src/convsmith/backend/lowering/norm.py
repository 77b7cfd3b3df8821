"""Rules for normalisation."""

from __future__ import annotations

from torch import nn

from convsmith.backend import norms
from convsmith.backend.lowering.rule import lower
from convsmith.network import ops
from convsmith.network.dims import Shape


def _keep(layer: nn.Module, scale: bool, bias: bool) -> nn.Module:
    """The layer without the parameters that its op lacks: torch has both or neither."""
    for name, wanted in (("weight", scale), ("bias", bias)):
        if not wanted:
            layer.register_parameter(name, None)
    return layer


@lower.register
def _(op: ops.BatchNorm, inputs: list[Shape]) -> nn.Module:
    norm = nn.BatchNorm2d if len(inputs[0]) == 3 else nn.BatchNorm1d
    return _keep(norm(inputs[0][0], op.eps, op.momentum), op.scale, op.bias)


@lower.register
def _(op: ops.FixedNorm, inputs: list[Shape]) -> nn.Module:
    return norms.FixedNorm2d(inputs[0][0])


@lower.register
def _(op: ops.GroupNorm, inputs: list[Shape]) -> nn.Module:
    return _keep(nn.GroupNorm(op.groups, inputs[0][0], op.eps), op.scale, op.bias)


@lower.register
def _(op: ops.InstanceNorm, inputs: list[Shape]) -> nn.Module:
    layer = nn.InstanceNorm2d(inputs[0][0], op.eps, op.momentum, affine=True, track_running_stats=op.running)
    return _keep(layer, op.scale, op.bias)


@lower.register
def _(op: ops.LayerNorm, inputs: list[Shape]) -> nn.Module:
    shape = _sides(op.axes, inputs[0])
    layer = nn.LayerNorm(shape, op.eps) if _last(op.axes, inputs[0]) else norms.AxesLayerNorm(shape, op.axes, op.eps)
    return _keep(layer, op.scale, op.bias)


@lower.register
def _(op: ops.RMSNorm, inputs: list[Shape]) -> nn.Module:
    shape = _sides(op.axes, inputs[0])
    layer = nn.RMSNorm(shape, op.eps) if _last(op.axes, inputs[0]) else norms.AxesRMSNorm(shape, op.axes, op.eps)
    return _keep(layer, op.scale, bias=True)


@lower.register
def _(op: ops.L2Norm, inputs: list[Shape]) -> nn.Module:
    return norms.L2Norm(op.axes, op.eps)


@lower.register
def _(op: ops.LocalResponseNorm, inputs: list[Shape]) -> nn.Module:
    return nn.LocalResponseNorm(op.size, op.alpha, op.beta, op.k)


def _sides(axes: tuple[int, ...], shape: Shape) -> list[int]:
    return [shape[axis] for axis in axes]


def _last(axes: tuple[int, ...], shape: Shape) -> bool:
    """Whether these are the last axes, which torch's own layers normalise over."""
    return axes == tuple(range(len(shape) - len(axes), len(shape)))
