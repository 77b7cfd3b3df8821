"""Lowering a network to PyTorch: an `fx.GraphModule` whose forward is readable Python over plain `torch.nn` layers."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, Self

import torch
from torch import fx, nn
from torch.nn import functional as F

from convsmith.backend import layers
from convsmith.backend.initialise import fill
from convsmith.errors import UsageError
from convsmith.network import ops
from convsmith.network.dims import Shape
from convsmith.network.network import INPUT, Network
from convsmith.network.ops.window import Padding


@dataclass(frozen=True)
class Call:
    """A function of the inputs and further arguments; `many` hands the inputs over as one list."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    many: bool = False


@singledispatch
def lower(op: ops.Op, inputs: list[Shape]) -> nn.Module | Call:
    """The layer that computes an op on inputs of these shapes. Raises UsageError for an op without a rule."""
    raise UsageError(f"op {op.kind} has no rule for PyTorch")


def _even(padding: Padding) -> tuple[int, int] | None:
    """(vertical, horizontal) if both sides get the same."""
    if padding == "same" or padding[0] != padding[1] or padding[2] != padding[3]:
        return None
    return padding[0], padding[2]


@lower.register
def _(op: ops.Conv, inputs: list[Shape]) -> nn.Module:
    channels = inputs[0][0]
    even = _even(op.padding)
    if even is None:
        return layers.UnevenConv2d(
            channels, op.channels, op.kernel, op.padding,
            stride=op.stride, dilation=op.dilation, groups=op.groups, bias=op.bias,
        )  # fmt: skip
    return layers.Conv2d(channels, op.channels, op.kernel, op.stride, even, op.dilation, op.groups, op.bias)


@lower.register
def _(op: ops.StandardizedConv, inputs: list[Shape]) -> nn.Module:
    return layers.StandardizedConv2d(
        inputs[0][0], op.channels, op.kernel, op.padding, eps=op.eps,
        stride=op.stride, dilation=op.dilation, groups=op.groups, bias=op.bias,
    )  # fmt: skip


@lower.register
def _(op: ops.ConvTranspose, inputs: list[Shape]) -> nn.Module:
    return nn.ConvTranspose2d(inputs[0][0], op.channels, op.kernel, op.stride, bias=op.bias)


@lower.register
def _(op: ops.TableConv, inputs: list[Shape]) -> nn.Module:
    return layers.TableConv2d(op.table, inputs[0][0], op.kernel)


@lower.register
def _(op: ops.Linear, inputs: list[Shape]) -> nn.Module:
    return nn.Linear(inputs[0][0], op.features, op.bias)


@lower.register
def _(op: ops.RadialBasis, inputs: list[Shape]) -> nn.Module:
    return layers.RadialBasis(op.classes, inputs[0][0])


@lower.register
def _(op: ops.BatchNorm, inputs: list[Shape]) -> nn.Module:
    norm = nn.BatchNorm2d if op.scale else layers.ScalelessBatchNorm2d
    return norm(inputs[0][0], eps=op.eps, momentum=op.momentum)


@lower.register
def _(op: ops.FixedNorm, inputs: list[Shape]) -> nn.Module:
    return layers.FixedNorm2d(inputs[0][0])


@lower.register
def _(op: ops.LocalResponseNorm, inputs: list[Shape]) -> nn.Module:
    return nn.LocalResponseNorm(op.size, op.alpha, op.beta, op.k)


@lower.register
def _(op: ops.Affine, inputs: list[Shape]) -> nn.Module:
    return layers.Affine2d(inputs[0][0])


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": layers.ReLU6,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "scaled_tanh": layers.ScaledTanh,
    "silu": nn.SiLU,
    "hard_sigmoid": nn.Hardsigmoid,
    "hard_swish": nn.Hardswish,
    "gelu": nn.GELU,
}


@lower.register
def _(op: ops.SkipInit, inputs: list[Shape]) -> nn.Module:
    return layers.SkipInit()


@lower.register
def _(op: ops.Activation, inputs: list[Shape]) -> nn.Module:
    return ACTIVATIONS[op.function]()


@lower.register
def _(op: ops.MaxPool, inputs: list[Shape]) -> nn.Module:
    even = _even(op.padding)
    if even is None:
        return layers.UnevenMaxPool2d(op.kernel, op.stride, op.padding, ceil=op.ceil)
    return layers.MaxPool2d(op.kernel, op.stride, even, ceil_mode=op.ceil)


@lower.register
def _(op: ops.AvgPool, inputs: list[Shape]) -> nn.Module:
    even = _even(op.padding)
    if even is None:
        settings = {"ceil": op.ceil, "count_padding": op.count_padding}
        return layers.UnevenAvgPool2d(op.kernel, op.stride, op.padding, **settings)
    return nn.AvgPool2d(op.kernel, op.stride, even, op.ceil, op.count_padding)


@lower.register
def _(op: ops.AdaptiveAvgPool, inputs: list[Shape]) -> nn.Module:
    return nn.AdaptiveAvgPool2d(op.size)


@lower.register
def _(op: ops.Dropout, inputs: list[Shape]) -> nn.Module:
    return nn.Dropout(op.p)


@lower.register
def _(op: ops.StochasticDepth, inputs: list[Shape]) -> nn.Module:
    return layers.StochasticDepth(op.p)


@lower.register
def _(op: ops.ChannelShuffle, inputs: list[Shape]) -> nn.Module:
    return nn.ChannelShuffle(op.groups)


@lower.register
def _(op: ops.Upsample, inputs: list[Shape]) -> nn.Module:
    return nn.Upsample(scale_factor=(float(op.factor[0]), float(op.factor[1])))


@lower.register
def _(op: ops.Flatten, inputs: list[Shape]) -> Call:
    return Call(torch.flatten, (1,))


@lower.register
def _(op: ops.Add, inputs: list[Shape]) -> Call:
    return Call(operator.add) if len(inputs) == 2 else Call(sum, many=True)


@lower.register
def _(op: ops.Multiply, inputs: list[Shape]) -> Call:
    return Call(operator.mul)


@lower.register
def _(op: ops.Scale, inputs: list[Shape]) -> Call:
    return Call(operator.mul, (op.factor,))


@lower.register
def _(op: ops.Quantize, inputs: list[Shape]) -> Call:
    return Call(torch.fake_quantize_per_tensor_affine, (op.scale, op.zero_point, op.lowest, op.highest))


@lower.register
def _(op: ops.Concat, inputs: list[Shape]) -> Call:
    return Call(torch.cat, (1,), many=True)


@lower.register
def _(op: ops.Slice, inputs: list[Shape]) -> Call:
    return Call(torch.narrow, (1, op.start, op.stop - op.start))


@lower.register
def _(op: ops.Pad, inputs: list[Shape]) -> Call:
    top, bottom, left, right = op.padding
    return Call(F.pad, ((left, right, top, bottom, *op.channels),))


class NetworkModule(fx.GraphModule):
    """The built network: (N, C, H, W) -> logits (N, classes).

    With auxiliary heads, training mode returns (logits, auxiliary logits, ...); evaluation mode does not run them.
    """

    def __init__(self, root: dict[str, nn.Module], graph: fx.Graph, evaluation: fx.Graph | None) -> None:
        super().__init__(root, graph, class_name="NetworkModule")
        self._layers = tuple(root)
        self._graphs = (graph, evaluation)

    def __deepcopy__(self, memo: dict[int, Any]) -> NetworkModule:
        # fx copies into a bare GraphModule, which would forget the evaluation graph.
        layers = {name: copy.deepcopy(self.get_submodule(name), memo) for name in self._layers}
        return NetworkModule(layers, *copy.deepcopy(self._graphs)).train(self.training)

    def train(self, mode: bool = True) -> Self:
        training, evaluation = self._graphs
        if evaluation is not None and mode != self.training:
            self.graph = training if mode else evaluation
        return super().train(mode)


def build(net: Network, seed: int = 0) -> NetworkModule:
    """The network as a torch module, float32 on the CPU, in training mode; state-dict keys are `net.parameters`.

    Every parameter is filled as its op's `Init` says, from one generator with this seed.
    Raises UsageError for an op without a rule.
    """
    module = assemble(net)
    generator = torch.Generator().manual_seed(seed)
    state = module.state_dict()
    for name, parameter in net.parameters.items():
        fill(state[name], parameter.init, generator)
    for name, tensor in state.items():
        if name not in net.parameters:
            tensor.zero_()  # a norm's num_batches_tracked
    return module


def assemble(net: Network) -> NetworkModule:
    """The module of `build` before anything is in its tensors, for a caller who fills them all."""
    modules: dict[str, nn.Module] = {}
    calls: dict[str, Call] = {}
    with torch.device("meta"):
        for node in net.nodes:
            if node.shares:
                continue
            layer = lower(node.op, net.inputs_of(node))
            if isinstance(layer, Call):
                calls[node.name] = layer
            else:
                modules[node.name] = layer
    for layer in modules.values():
        layer.to_empty(device="cpu")
    graph = _trace(net, calls, [net.output, *(head.node for head in net.auxiliary)])
    return NetworkModule(modules, graph, _trace(net, calls, [net.output]) if net.auxiliary else None)


def _trace(net: Network, calls: dict[str, Call], outputs: list[str]) -> fx.Graph:
    """The graph that computes these outputs."""
    graph = fx.Graph()
    values: dict[str, Any] = {INPUT: graph.placeholder("x")}
    needed = net.ancestors(*outputs)
    for node in net.nodes:
        if node.name not in needed:
            continue
        inputs = [values[source] for source in node.inputs]
        call = calls.get(node.name)
        if call is None:
            values[node.name] = graph.call_module(node.shares or node.name, tuple(inputs))
        else:
            leading = (inputs,) if call.many else tuple(inputs)
            values[node.name] = graph.call_function(call.function, (*leading, *call.arguments))
    results = tuple(values[name] for name in outputs)
    graph.output(results if len(results) > 1 else results[0])
    return graph
