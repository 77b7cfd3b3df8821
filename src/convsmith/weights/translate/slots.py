"""Which keys a network's parameters have in a library's checkpoint. Knows no torch."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import NamedTuple

from convsmith.network.network import Network, Node
from convsmith.network.ops import BatchNorm
from convsmith.weights.translate.keys import keys_of
from convsmith.zoo.libraries import record_for

OWN = "convsmith"
"""Whose keys are our nodes' names: those of a module that `convsmith.build` makes."""


class Slot(NamedTuple):
    """One parameter of a network, and the keys that it may have in a library's checkpoint, likeliest first."""

    node: Node
    parameter: str
    shape: tuple[int, ...]
    keys: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.node.name}.{self.parameter}"


def slots(network: Network, source: str, prefixes: Mapping[str, str]) -> Iterator[Slot]:
    """Every parameter of a network, in node order, with the keys that follow from the layers' `prefixes`."""
    for node in network.nodes:
        for parameter in network.parameters_of(node):
            keys = keys_of(prefixes[node.name], parameter.name, source, norm=isinstance(node.op, BatchNorm))
            yield Slot(node, parameter.name, tuple(map(int, parameter.shape)), keys)


def keys_in(network: Network, source: str) -> set[str]:
    """Every key that a library may have for a network's parameters. Raises as `record_for` does."""
    return {key for slot in slots(network, source, prefixes_of(network, source)) for key in slot.keys}


def prefixes_of(network: Network, source: str) -> dict[str, str]:
    """What stands before a layer's parameters in a library's keys, by our names, which are those of `OWN`.

    Raises as `record_for` does.
    """
    if source == OWN:
        return {node.name: node.name for node in network.nodes}
    return record_for(source, network).prefixes(network)


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """What a dense layer's weight and that of the convolution which computes the same have in common."""
    first, *rest = shape or (1,)
    return (first, math.prod(rest))


def named_now(key: str, expected: Set[str], old_keys: Iterable[tuple[str, str]]) -> str:
    """What the library calls a tensor today, without Keras' name scopes (`CELL/BLOCK/LAYER/kernel`)."""
    unscoped = "/".join(key.split("/")[-2:])
    if unscoped in expected:
        return unscoped
    for pattern, replacement in old_keys:
        key = re.sub(pattern, replacement, key)
    return key
