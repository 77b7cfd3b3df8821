"""Cross-layer equalization (Nagel et al. 2019, arXiv 1906.04721, section 4.1): channels of like range, same answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from convsmith.model import Model
from convsmith.network import INPUT, Network, ops
from convsmith.network.network import Node

ROUNDS = 20
"""Passes over all pairs; chains of three layers and more settle in a few."""
SETTLED = 1e-3
"""The largest change of a factor, in its logarithm, from which nothing is gained."""


class Pair(NamedTuple):
    """Two layers, by name, between which every channel may be divided by a factor and multiplied by it again."""

    first: str
    second: str


def equalized(model: Model) -> tuple[Model, tuple[Pair, ...]]:
    """The model with the weights' ranges balanced between neighbouring layers, and which those are.

    Channel i of the first layer is divided by s = sqrt(r1 r2) / r2, its readers' weights are multiplied by it, r being
    the largest magnitude of each (equation 11). Batch norms should be folded before. The answers stay the same but for
    rounding.
    """
    found = pairs(model.network)
    weights = {key: value.to(torch.float64, copy=True).contiguous() for key, value in model.weights.items()}
    for _ in range(ROUNDS):
        if not found or max(_balance(weights, model.network, pair) for pair in found) < SETTLED:
            break
    changed = {f"{name}.weight" for pair in found for name in pair}
    storage = tuple(one for one in model.network.storage if one.parameter not in changed)
    network = replace(model.network, storage=storage)
    return replace(model, network=network, weights={key: value.float() for key, value in weights.items()}), found


def pairs(net: Network) -> tuple[Pair, ...]:
    """Layers that alone read another, through nothing but what scales with its input channel by channel.

    Such are ReLU and its leaky kind, pooling, dropout and flattening; not ReLU6, which has a fixed end.
    """
    readers = Counter(source for node in net for source in node.inputs)
    readers.update((net.output, *(head.node for head in net.auxiliary)))
    sharing = {name for node in net if node.shares for name in (node.name, node.shares)}
    found = []
    for node in net:
        if _second(node) and node.name not in sharing:
            first = _source(net, node, readers)
            if first is not None and first not in sharing:
                found.append(Pair(first, node.name))
    return tuple(found)


def _source(net: Network, node: Node, readers: Counter[str]) -> str | None:
    """The layer whose channels a layer reads."""
    name = node.inputs[0]
    while name != INPUT and readers[name] == 1:
        source = net[name]
        if isinstance(source.op, ops.Conv | ops.Linear):
            # A dense layer on rows and columns has its channels last; nothing is gained there.
            plain = not isinstance(source.op, ops.Linear) or len(net.shapes[name]) == 1
            return name if plain and not isinstance(source.op, ops.StandardizedConv) else None
        if not _homogeneous(source.op):
            return None
        name = source.inputs[0]
    return None


def _second(node: Node) -> bool:
    return isinstance(node.op, ops.Conv | ops.Linear) and not isinstance(node.op, ops.StandardizedConv)


def _homogeneous(op: ops.Op) -> bool:
    """Whether f(s x) = s f(x) for s > 0, channel by channel, with the channels first and in their order."""
    if isinstance(op, ops.Activation):
        return op.function == "relu"
    if isinstance(op, ops.Pad):
        return op.mode != "constant" or op.value == 0
    return isinstance(
        op, ops.LeakyReLU | ops.PReLU | ops.MaxPool | ops.AvgPool | ops.AdaptiveAvgPool | ops.Dropout | ops.Flatten
    )


def _balance(weights: dict[str, Tensor], net: Network, pair: Pair) -> float:
    """Balances one pair. Returns the largest change, as the logarithm of its factor."""
    first, second = weights[f"{pair.first}.weight"], weights[f"{pair.second}.weight"]
    channels = len(first)
    columns = _by_input(second, net[pair.second].op, channels)
    own, read = first.flatten(1).abs().amax(1), columns.abs().amax((2, 3)).flatten()
    live = (own > 0) & (read > 0)
    factor = torch.where(live, torch.sqrt(own / read.clamp(min=1e-30)), torch.ones_like(own))
    weights[f"{pair.first}.weight"] = first / factor.view(-1, *[1] * (first.ndim - 1))
    if f"{pair.first}.bias" in weights:
        weights[f"{pair.first}.bias"] = weights[f"{pair.first}.bias"] / factor
    columns *= factor.view(*columns.shape[:2], 1, 1)
    return float(factor.log().abs().max())


def _by_input(weight: Tensor, op: ops.Op, channels: int) -> Tensor:
    """A view (groups, channels of each, outputs, rest) of a weight: what each channel of the layer before meets."""
    if isinstance(op, ops.Conv):
        # (outputs, channels / groups, h, w): channel g * n + j is column j of the rows of group g.
        return weight.view(op.groups, -1, weight.shape[1], weight[0, 0].numel()).transpose(1, 2)
    return weight.view(1, len(weight), channels, -1).transpose(1, 2)
