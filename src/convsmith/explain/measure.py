"""One forward and backward pass, and what it shows of every layer."""

from __future__ import annotations

import math
from typing import Any

import torch.nn.functional as F
from torch import Tensor, fx, nn

from convsmith.backend.torch import NetworkModule
from convsmith.explain.flow import BlockFlow, LayerFlow, Moment
from convsmith.network.network import INPUT, Network
from convsmith.transform.stochastic_depth import residual_branch


class Observed(fx.Interpreter):
    """Runs a module and keeps the outputs of the layers that are named, with their gradients."""

    def __init__(self, module: NetworkModule, names: set[str]) -> None:
        super().__init__(module)
        self.outputs: dict[str, Tensor] = {}
        self._names = _layer_names(module)
        self._wanted = names

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        name = self._names.get(n)
        if name in self._wanted:
            result.retain_grad()
            self.outputs[name] = result
        return result


class Probe:
    """What of a network is looked at: its layers with weights on the way to the output, and its residual blocks."""

    def __init__(self, net: Network) -> None:
        main = net.ancestors(net.output)
        self.layers = [
            (node.name, node.shares or node.name)
            for node in net
            if node.name in main and any(p.name == "weight" and len(p.shape) > 1 for p in _parameters(net, node.name))
        ]
        self.blocks = [(node.name, *ends) for node in net if node.name in main and (ends := _ends(net, node.name))]

    @property
    def names(self) -> set[str]:
        """Every node whose output is looked at."""
        ends = {name for _, branch, shortcut, _ in self.blocks for name in (branch, shortcut)}
        return {name for name, _ in self.layers} | (ends - {INPUT})

    def moment(self, module: NetworkModule, images: Tensor, labels: Tensor, step: int) -> Moment:
        """The flow for this batch, (N, C, H, W) and (N,). The gradients of the mean loss are left in the parameters."""
        module.zero_grad(set_to_none=True)
        observed = Observed(module, self.names)
        loss = loss_of(module.network, observed.run(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        outputs, weights = observed.outputs, dict(module.named_parameters())
        layers = tuple(_layer(name, outputs[name], weights[f"{owner}.weight"]) for name, owner in self.layers)
        blocks = tuple(
            BlockFlow(name, identity, _ratio(_rms(outputs[branch]), _rms(outputs[shortcut])))
            for name, branch, shortcut, identity in self.blocks
        )
        return Moment(step, float(loss.detach()), layers, blocks)


def loss_of(net: Network, outputs: Any, labels: Tensor) -> Tensor:
    """The mean cross-entropy; auxiliary heads count as the network says."""
    if isinstance(outputs, Tensor):
        return F.cross_entropy(outputs, labels)
    main, *heads = outputs
    loss = F.cross_entropy(main, labels)
    for head, logits in zip(net.auxiliary, heads, strict=True):
        loss = loss + head.weight * F.cross_entropy(logits, labels)
    return loss


def _layer(name: str, output: Tensor, weight: nn.Parameter) -> LayerFlow:
    gradient, change = output.grad, weight.grad
    images = len(output)
    # The loss is a mean: one image's own gradient is `images` times what is in the tensor.
    return LayerFlow(
        name,
        activation=_rms(output),
        gradient=0.0 if gradient is None else images * _norm(gradient) / images**0.5,
        weight_gradient=0.0 if change is None else _norm(change),
        weight=_norm(weight),
    )


def _norm(tensor: Tensor) -> float:
    # In float64: the squares of vanished gradients would be zero in float32.
    return float(tensor.detach().double().norm())


def _rms(tensor: Tensor) -> float:
    return _norm(tensor) / math.sqrt(tensor.numel())


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("inf") if part else 0.0


def _parameters(net: Network, name: str) -> tuple[Any, ...]:
    node = net[name]
    return node.op.parameters(*net.inputs_of(node))


def _ends(net: Network, name: str) -> tuple[str, str, bool] | None:
    """The branch of a residual sum, its shortcut, and whether this is the block's input as it is."""
    node = net[name]
    branch = residual_branch(net, node)
    if branch is None:
        return None
    shortcut = next(source for source in node.inputs if source != branch)
    return branch, shortcut, shortcut in net.ancestors(branch)


def _layer_names(module: NetworkModule) -> dict[fx.Node, str]:
    """Our names of the graph's nodes, which are in our order."""
    net = module.network
    needed = net.ancestors(net.output, *(head.node for head in net.auxiliary))
    steps = [node for node in module.graph.nodes if node.op not in ("placeholder", "output", "get_attr")]
    return dict(zip(steps, (node.name for node in net if node.name in needed), strict=True))
