"""Lowering a network to PyTorch: an `fx.GraphModule` whose forward is readable Python over plain `torch.nn` layers."""

from __future__ import annotations

import copy
from typing import Any, Self

import torch
from torch import fx, nn

from convsmith.backend.initialise import fill
from convsmith.backend.lowering import Call, lower
from convsmith.network.network import INPUT, Network


class NetworkModule(fx.GraphModule):
    """The built network: (N, C, H, W) -> logits (N, classes).

    With auxiliary heads, training mode returns (logits, auxiliary logits, ...); evaluation mode does not run them.
    `network` is what it was built from.
    """

    def __init__(
        self, network: Network, root: dict[str, nn.Module], graph: fx.Graph, evaluation: fx.Graph | None
    ) -> None:
        super().__init__(root, graph, class_name="NetworkModule")
        for name, layer in root.items():
            self.add_submodule(name, layer)  # also those that no output depends on, which fx leaves out
        self.network = network
        self._layers = tuple(root)
        self._graphs = (graph, evaluation)

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers that are modules, in the network's order."""
        return self._layers

    def __deepcopy__(self, memo: dict[int, Any]) -> NetworkModule:
        # fx copies into a bare GraphModule, which would forget the evaluation graph.
        layers = {name: copy.deepcopy(self.get_submodule(name), memo) for name in self._layers}
        return NetworkModule(self.network, layers, *copy.deepcopy(self._graphs)).train(self.training)

    def train(self, mode: bool = True) -> Self:
        training, evaluation = self._graphs
        if evaluation is not None and mode != self.training:
            self.graph = training if mode else evaluation
        return super().train(mode)


SEEDS = 2**64
"""So many torch has; larger ones count from the beginning again."""


def build(net: Network, seed: int = 0) -> NetworkModule:
    """The network as a torch module, float32 on the CPU, in training mode; state-dict keys are `net.parameters`.

    Every parameter is filled as its op's `Init` says, from one generator with this seed.
    Raises UsageError for an op without a rule.
    """
    module = assemble(net)
    generator = torch.Generator().manual_seed(seed % SEEDS)
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
    return NetworkModule(net, modules, graph, _trace(net, calls, [net.output]) if net.auxiliary else None)


def _trace(net: Network, calls: dict[str, Call], outputs: list[str]) -> fx.Graph:
    """The graph that computes these outputs."""
    graph = fx.Graph()
    values: dict[str, Any] = {INPUT: graph.placeholder("x")}
    needed = net.ancestors(*outputs)
    for node in net.nodes:
        if node.name not in needed:
            continue
        # A constant has no inputs, but the size of the batch from the images.
        inputs = [values[source] for source in node.inputs] or [values[INPUT]]
        call = calls.get(node.name)
        if call is None:
            values[node.name] = graph.call_module(node.shares or node.name, tuple(inputs))
        else:
            leading = (inputs,) if call.many else tuple(inputs)
            kind = "call_method" if isinstance(call.function, str) else "call_function"
            values[node.name] = graph.create_node(kind, call.function, (*leading, *call.arguments))
    results = tuple(values[name] for name in outputs)
    graph.output(results if len(results) > 1 else results[0])
    return graph
