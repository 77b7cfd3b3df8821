"""Feature maps alive in inference and kept for the backward pass in training."""

from __future__ import annotations

from convsmith.network.dims import Dim, elements, maximum
from convsmith.network.network import INPUT, Network
from convsmith.network.ops import Flatten, MaxPool

MAX_POOL_INDEX_BYTES = 8
"""PyTorch keeps an int64 position for each output element of a max pooling."""


def peak_live(net: Network) -> Dim:
    """The largest number of elements alive at once for one image, running nodes in order.

    A tensor lives from its layer until its last reader has run. Nothing runs in place; a flatten is a view.
    """
    last_use: dict[str, int] = {net.output: len(net.nodes)}
    for step, node in enumerate(net.nodes):
        for source in node.inputs:
            last_use[source] = max(step, last_use.get(source, 0))
    storage = _storage(net)
    for name, owner in storage.items():
        last_use[owner] = max(last_use.get(owner, 0), last_use.get(name, 0))
    live: Dim = elements(net.input)
    peak: Dim = live
    for step, node in enumerate(net.nodes):
        if storage[node.name] == node.name:
            live = live + elements(net.shapes[node.name])
        peak = maximum(peak, live)
        for owner in {storage[source] for source in node.inputs}:
            if last_use[owner] == step:
                live = live - elements(net.shapes[owner])
    return peak


def saved_bytes(net: Network, bytes_per_value: int) -> Dim:
    """Bytes that the backward pass needs for one image: each kept feature map once, and max pooling's positions."""
    storage = _storage(net)
    kept: set[str] = set()
    indices: Dim = 0
    for node in net.nodes:
        if node.op.saved == "inputs":
            kept.update(storage[source] for source in node.inputs)
        elif node.op.saved == "output":
            kept.add(storage[node.name])
        if isinstance(node.op, MaxPool):
            indices = indices + elements(net.shapes[node.name]) * MAX_POOL_INDEX_BYTES
    total: Dim = indices
    for name in kept:
        total = total + elements(net.shapes[name]) * bytes_per_value
    return total


def _storage(net: Network) -> dict[str, str]:
    """The tensor whose memory each name uses: its own, or the one that it is a view of."""
    owner = {INPUT: INPUT}
    for node in net.nodes:
        owner[node.name] = owner[node.inputs[0]] if isinstance(node.op, Flatten) else node.name
    return owner
