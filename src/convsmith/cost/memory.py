"""Feature maps alive in inference and kept for the backward pass in training."""

from __future__ import annotations

from convsmith.network.dims import Dim, elements, maximum
from convsmith.network.network import INPUT, Network
from convsmith.network.ops import AdaptiveMaxPool, Constant, Expand, Flatten, MaxPool, Reshape

MAX_POOL_INDEX_BYTES = 8
"""PyTorch keeps an int64 position for each output element of a max pooling."""

VIEWS = (Flatten, Reshape, Expand)
"""Ops whose output uses its input's memory."""


def peak_live(net: Network) -> Dim:
    """The largest number of elements alive at once for one image, running nodes in order.

    A tensor lives from its layer until its last reader has run. Nothing runs in place; a flatten, reshape or
    expand is a view. A constant is counted with the weights.
    """
    last_use: dict[str, int] = {net.output: len(net.nodes)}
    for step, node in enumerate(net.nodes):
        for source in node.inputs:
            last_use[source] = max(step, last_use.get(source, 0))
    storage = _storage(net)
    for name, owner in storage.items():
        last_use[owner] = max(last_use.get(owner, 0), last_use.get(name, 0))
    sizes = _sizes(net)
    live: Dim = sizes[INPUT]
    peak: Dim = live
    for step, node in enumerate(net.nodes):
        if storage[node.name] == node.name:
            live = live + sizes[node.name]
        peak = maximum(peak, live)
        for owner in {storage[source] for source in node.inputs}:
            if last_use[owner] == step:
                live = live - sizes[owner]
    return peak


def saved_bytes(net: Network, bytes_per_value: int) -> Dim:
    """Bytes that the backward pass needs for one image: each kept feature map once, and max pooling's positions."""
    storage = _storage(net)
    kept: set[str] = set()
    indices: Dim = 0
    for node in net.nodes:
        saved = node.op.kept()
        if saved == "inputs":
            kept.update(storage[source] for source in node.inputs)
        elif saved == "output":
            kept.add(storage[node.name])
        if isinstance(node.op, (MaxPool, AdaptiveMaxPool)):
            indices = indices + elements(net.shapes[node.name]) * MAX_POOL_INDEX_BYTES
    sizes = _sizes(net)
    total: Dim = indices
    for name in kept:
        total = total + sizes[name] * bytes_per_value
    return total


def _sizes(net: Network) -> dict[str, Dim]:
    """Elements of each feature map. Constants are weights."""
    sizes = {name: elements(shape) for name, shape in net.shapes.items()}
    return sizes | {node.name: 0 for node in net if isinstance(node.op, Constant)}


def _storage(net: Network) -> dict[str, str]:
    """The tensor whose memory each name uses: its own, or the one that it is a view of."""
    owner = {INPUT: INPUT}
    for node in net.nodes:
        owner[node.name] = owner[node.inputs[0]] if isinstance(node.op, VIEWS) else node.name
    return owner
