"""Several operations that are one layer of ours: what torch or our own layers compute in steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isclose
from typing import Any

from torch import fx, nn

from convsmith.backend import layers, norms
from convsmith.backend.read.module.call import Call, Symbol, pair_of
from convsmith.backend.read.module.capture import packet_of
from convsmith.backend.read.module.keras import is_keras
from convsmith.backend.read.laid import Known
from convsmith.network import ops


@dataclass(frozen=True)
class Group:
    """Operations that follow each other, and what reads them together; it gives None if it cannot."""

    nodes: tuple[fx.Node, ...]
    read: Callable[[Call], Symbol]


def group_at(nodes: Sequence[fx.Node], position: int, modules: Mapping[str, nn.Module]) -> Group | None:
    """The group that begins here, if any."""
    node = nodes[position]
    for key, (path, _) in reversed((node.meta.get("nn_module_stack") or {}).items()):
        module = modules.get(str(path).split("@")[0])
        if module is not None and is_keras(module) and type(module).__name__ in KERAS_LAYERS:
            run = _while(nodes, position, lambda n, key=key: key in (n.meta.get("nn_module_stack") or {}))
            return Group(run, KERAS_LAYERS[type(module).__name__](module))
        op = None if module is None else op_of(module)
        if op is not None and module is not None:
            run = _while(nodes, position, lambda n, key=key: key in (n.meta.get("nn_module_stack") or {}))
            return Group(run, _layer(module, op, str(path).split("@")[0]))
    for packets, read in SEQUENCES:
        run = tuple(nodes[position : position + len(packets)])
        if _matches(run, packets):
            return Group(run, lambda call, run=run, read=read: read(call, run))
    return None


def _matches(run: Sequence[fx.Node], packets: Sequence[str]) -> bool:
    """Whether these are the operations, and take nothing but each other's results and what the first takes."""
    if len(run) != len(packets):
        return False
    known = {*run, *run[0].all_input_nodes}
    return all(
        packet_of(node) in wanted.split("|") and known.issuperset(node.all_input_nodes)
        for node, wanted in zip(run, packets, strict=True)
    )


def _while(nodes: Sequence[fx.Node], position: int, belongs: Callable[[fx.Node], bool]) -> tuple[fx.Node, ...]:
    end = position
    while end < len(nodes) and belongs(nodes[end]):
        end += 1
    return tuple(nodes[position:end])


def _layer(module: nn.Module, op: ops.Op, path: str) -> Callable[[Call], Symbol]:
    def read(call: Call) -> Symbol:
        value = call.settle(call.laid("input"))
        weights = {}
        for parameter in op.parameters(value.shape):
            name = f"{path}.{parameter.name}"
            weights[parameter.name] = Known(getattr(module, parameter.name).detach(), frozenset([name]), name)
        return call.lay(call.add(op, value, weights=weights))

    return read


def _keras_batch_norm(layer: Any) -> Callable[[Call], Symbol]:
    """Keras' batch norm, over whichever axis its channels are."""

    def read(call: Call) -> Symbol:
        names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
        weights = _keras_weights(layer, call, names)
        laid = call.laid("input")
        laid, axis = call.layouts.with_axis(laid, int(layer.axis) % len(laid.sizes), call.spot)
        if axis or not {"running_mean", "running_var"} <= weights.keys():
            return None
        op = ops.BatchNorm(float(layer.epsilon), 1 - float(layer.momentum), "weight" in weights, bias="bias" in weights)
        return replace(laid, value=call.add(op, laid.value, weights=weights))

    return read


def _keras_prelu(layer: Any) -> Callable[[Call], Symbol]:
    """Keras' parametric ReLU, if all positions share a channel's slope."""

    def read(call: Call) -> Symbol:
        laid = call.laid("input")
        last = len(laid.sizes) - 1
        alpha = layer.alpha.value.detach()
        laid, axis = call.layouts.with_axis(laid, last, call.spot)
        if axis or alpha.numel() != alpha.shape[-1]:
            return None
        name = f"{call.spot.scope}.alpha"
        weights = {"weight": Known(alpha.flatten(), frozenset([name]), name)}
        return replace(laid, value=call.add(ops.PReLU(), laid.value, weights=weights))

    return read


def _keras_group_norm(layer: Any) -> Callable[[Call], Symbol]:
    """Keras' group norm over the last dim's channels."""

    def read(call: Call) -> Symbol:
        laid = call.laid("input")
        last = len(laid.sizes) - 1
        laid, axis = call.layouts.with_axis(laid, last, call.spot)
        if axis or int(layer.axis) % (last + 1) != last:
            return None
        weights = _keras_weights(layer, call, {"weight": "gamma", "bias": "beta"})
        groups = laid.value.shape[0] if layer.groups == -1 else int(layer.groups)
        op = ops.GroupNorm(groups, float(layer.epsilon), "weight" in weights, "bias" in weights)
        return replace(laid, value=call.add(op, laid.value, weights=weights))

    return read


def _keras_weights(layer: Any, call: Call, names: Mapping[str, str]) -> dict[str, Known]:
    """A layer's variables by our names, those that it has."""
    found = {ours: getattr(layer, theirs, None) for ours, theirs in names.items()}
    return {
        ours: Known(
            variable.value.detach(), frozenset([f"{call.spot.scope}.{names[ours]}"]), f"{call.spot.scope}.{names[ours]}"
        )
        for ours, variable in found.items()
        if variable is not None
    }


KERAS_LAYERS: dict[str, Callable[[Any], Callable[[Call], Symbol]]] = {
    "BatchNormalization": _keras_batch_norm,
    "GroupNormalization": _keras_group_norm,
    "PReLU": _keras_prelu,
}


def op_of(module: nn.Module) -> ops.Op | None:
    """The op of a layer that computes in steps; None for layers whose operations say what they are."""
    describe = LAYERS.get(type(module))
    return describe(module) if describe else None


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


def _max_pool(layer: Any, padding: Any = None) -> ops.Op:
    vertical, horizontal = layer.padding if isinstance(layer.padding, tuple) else (layer.padding,) * 2
    even = (vertical, vertical, horizontal, horizontal)
    return ops.MaxPool(layer.kernel_size, layer.stride, padding or even, layer.ceil_mode, layer.dilation)


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
    layers.Affine2d: lambda layer: ops.Affine(),
    layers.SkipInit: lambda layer: ops.SkipInit(),
    layers.ScaledTanh: lambda layer: ops.Activation("scaled_tanh"),
    norms.FixedNorm2d: lambda layer: ops.FixedNorm(),
    norms.AxesLayerNorm: lambda layer: ops.LayerNorm(
        layer.axes, layer.eps, layer.weight is not None, layer.bias is not None
    ),
    norms.AxesRMSNorm: lambda layer: ops.RMSNorm(layer.axes, layer.eps, layer.weight is not None),
    norms.L2Norm: lambda layer: ops.L2Norm(layer.axes, layer.eps),
    nn.Tanhshrink: lambda layer: ops.Activation("tanhshrink"),
    nn.Softsign: lambda layer: ops.Activation("softsign"),
}


def _local_response_norm(call: Call, run: Sequence[fx.Node]) -> Symbol:
    """x / (k + alpha * mean of squares over a window) ** beta, the numbers read off torch's steps."""
    square, *_, scale, shift, power, quotient = run
    pool = next(node for node in run if packet_of(node).startswith("avg_pool"))
    source = square.args[0]
    if square.args[1] is not source or quotient.args[0] is not source:
        return None
    size, alpha, k, beta = pool.args[1][0], scale.args[1], shift.args[1], power.args[1]
    op = ops.LocalResponseNorm(int(size), float(alpha), float(beta), float(k))
    return call.lay(call.add(op, call.maps(call.laid("input")), word="local_response_norm"))


def _lp_pool(call: Call, run: Sequence[fx.Node]) -> Symbol:
    """(mean of p-th powers * window) ** (1 / p)."""
    power, pool, *_, last = run
    kernel, stride, padding, ceil = ([*pool.args[1:], *[None] * 4])[:4]
    p = float(power.args[1])
    if not isclose(1 / p, last.args[1]) or any(padding or (0,)):
        return None
    op = ops.LpPool(pair_of(kernel), pair_of(stride or kernel), ceil=bool(ceil), p=p)
    return call.lay(call.add(op, call.maps(call.laid("input")), word="lp_pool"))


def _l2_norm(call: Call, run: Sequence[fx.Node]) -> Symbol:
    """x / max(length, eps) over one dim, as `F.normalize` has it."""
    length, least, *_, quotient = run
    source, order, dims, keep = ([*length.args, *[None] * 4])[:4]
    if quotient.args[0] is not source or order not in (2, 2.0) or not keep or len(dims or ()) != 1:
        return None
    laid, axis = call.layouts.with_axis(call.laid("input"), dims[0] % len(call.sizes), call.spot)
    return replace(laid, value=call.add(ops.L2Norm((axis,), float(least.args[1])), laid.value, word="normalize"))


SEQUENCES: tuple[tuple[tuple[str, ...], Callable[[Call, Sequence[fx.Node]], Symbol]], ...] = (
    (
        ("mul", "view", "pad|constant_pad_nd", "avg_pool3d", "squeeze", "view", "mul", "add", "pow", "div"),
        _local_response_norm,
    ),
    (
        ("mul", "unsqueeze", "pad|constant_pad_nd", "avg_pool2d|avg_pool3d", "squeeze", "mul", "add", "pow", "div"),
        _local_response_norm,
    ),
    (("pow", "avg_pool2d", "sign", "abs", "relu", "mul", "mul", "pow"), _lp_pool),
    (("linalg_vector_norm|norm", "clamp_min", "expand_as|expand", "div"), _l2_norm),
)  # fmt: skip
