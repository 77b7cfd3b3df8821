"""A network's layers as Keras sees them: their order, classes and parameters, on which its HDF5 files depend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from convsmith.errors import UsageError
from convsmith.network.network import Network
from convsmith.network.ops import BatchNorm, Conv, FixedNorm, Linear
from convsmith.weights.translate.keys import COUNTER
from convsmith.weights.translate.slots import Slot, slots
from convsmith.zoo.libraries import record_for


class KerasLayer(NamedTuple):
    """A layer that has parameters: its name, its class in snake case, and its parameters' keys (`NAME/kernel`).

    The keys are in Keras' order, which is ours: kernel, bias; gamma, beta, mean, variance; or mean, variance and a
    counter.
    """

    name: str
    kind: str
    keys: tuple[str, ...]


def keras_layers(network: Network) -> list[KerasLayer]:
    """The layers with parameters in the order of `keras.Model.layers`.

    Raises UsageError for a network that Keras does not have.
    """
    record = record_for("keras", network)
    prefixes = record.prefixes(network)
    names = {node: prefix.partition("/")[0] for node, prefix in prefixes.items()}
    ranks = _ranks(network, names, shortcut_first=record.shortcut_first)
    layers: dict[str, KerasLayer] = {}
    places: dict[str, tuple[int, int]] = {}
    for slot in slots(network, "keras", prefixes):
        node, name = slot.node.name, names[slot.node.name]
        known = layers.get(name, KerasLayer(name, _kind(slot, prefixes[node], record.convolutions), ()))
        counter = (COUNTER.format(name),) if slot.parameter == "variance" else ()
        layers[name] = known._replace(keys=(*known.keys, slot.keys[0], *counter))
        places[name] = min(ranks[node], places.get(name, ranks[node]))
    return sorted(layers.values(), key=lambda layer: places[layer.name])


def numbered(layers: Sequence[KerasLayer]) -> dict[str, KerasLayer]:
    """Layers by the names that Keras 3 gives them in `.weights.h5`: the class, with a counter from the second on."""
    found: dict[str, KerasLayer] = {}
    counts: dict[str, int] = {}
    for layer in layers:
        count = counts.get(layer.kind, 0)
        found[f"{layer.kind}_{count}" if count else layer.kind] = layer
        counts[layer.kind] = count + 1
    return found


def _ranks(network: Network, names: Mapping[str, str], *, shortcut_first: bool) -> dict[str, tuple[int, int]]:
    """What Keras sorts layers by: the longest path to the output, longest first; among equals, the order in which a
    depth-first search from the output, inputs in their order, meets them."""
    depths = dict.fromkeys(names, 0)
    for node in reversed(network.nodes):
        for source in node.inputs:
            if source in depths:
                own_layer = names[source] != names[node.name]  # a separable convolution is one layer of theirs
                depths[source] = max(depths[source], depths[node.name] + own_layer)
    met: dict[str, int] = {}
    waiting = [network.output]
    while waiting:
        name = waiting.pop()
        if name in depths and name not in met:
            met[name] = len(met)
            inputs = network[name].inputs
            waiting += inputs if shortcut_first else reversed(inputs)
    return {name: (-depth, met.get(name, -1)) for name, depth in depths.items()}


def _kind(slot: Slot, prefix: str, convolutions: Sequence[str]) -> str:
    op = slot.node.op
    if isinstance(op, BatchNorm):
        return "batch_normalization"
    if isinstance(op, FixedNorm):
        return "normalization"
    if isinstance(op, Linear):
        return "conv2d" if slot.node.name in convolutions else "dense"
    if not isinstance(op, Conv):
        raise UsageError(f"{slot.node.name}: Keras has no layer for {op.kind}")
    if "/" in prefix:
        return "separable_conv2d"
    return "depthwise_conv2d" if op.groups > 1 and slot.shape[1] == 1 else "conv2d"
