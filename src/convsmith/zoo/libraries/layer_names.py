"""What the tables of layer names share: blocks, counts, and names in the order of the layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from convsmith.network.network import Network
from convsmith.network.ops import BatchNorm, Conv

ConvAndNorm = tuple[str, str]
"""Key prefixes of a convolution and of the norm that follows it; "" where none does."""


def completed(network: Network, names: Mapping[str, str]) -> dict[str, str]:
    """These names, and our own for layers without one: they have no parameters, or the library calls them the same."""
    return {node.name: names.get(node.name, node.name) for node in network.nodes}


def in_order(network: Network, pairs: Iterable[ConvAndNorm], others: Mapping[str, str]) -> dict[str, str]:
    """The library's convolutions and norms, listed in the order of ours; `others` by our names."""
    names = completed(network, others)
    norms = {node.inputs[0]: node.name for node in network.nodes if isinstance(node.op, BatchNorm)}
    convs = (node.name for node in network.nodes if isinstance(node.op, Conv))
    for name, (conv, norm) in zip(convs, pairs, strict=True):
        names[name] = conv
        if name in norms:
            names[norms[name]] = norm
    return names


def replaced(name: str, renamed: Mapping[str, str]) -> str:
    """A name with each of our words replaced by the library's."""
    for ours, theirs in renamed.items():
        name = name.replace(ours, theirs)
    return name


def blocks(network: Network) -> list[str]:
    """Names of the blocks, in order: "layer1.0", "layer1.1"."""
    return list(dict.fromkeys(node.block for node in network.nodes if node.block))


def count(network: Network, block: str, op: type[Conv | BatchNorm]) -> int:
    """How many layers of this kind a block has."""
    return sum(isinstance(node.op, op) and node.block == block for node in network.nodes)


def under(parent: str, children: str) -> list[str]:
    """The full names of a module's children, which are words in a string."""
    return [f"{parent}.{child}" for child in children.split()]


def units(*prefixes: str) -> Iterator[ConvAndNorm]:
    """Modules of torchvision and timm that hold a convolution and its norm."""
    return ((f"{prefix}.conv", f"{prefix}.bn") for prefix in prefixes)


def unnamed() -> Iterator[ConvAndNorm]:
    """The names that a fresh session of Keras gives to unnamed layers. Endless."""
    yield "conv2d", "batch_normalization"
    number = 1
    while True:
        yield f"conv2d_{number}", f"batch_normalization_{number}"
        number += 1
