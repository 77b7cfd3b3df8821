"""convsmith: from a folder of images and a budget to a convolutional network that is designed, costed, trained,
measured, compressed, exported and verified.

Importing this package never imports torch; `build` does, when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from convsmith.cost import Cost, cost_of
from convsmith.errors import ConvsmithError
from convsmith.network import Network, Node, Preprocess
from convsmith.zoo import create, models

if TYPE_CHECKING:
    from torch import fx

__version__ = "0.1.0"

__all__ = [
    "ConvsmithError",
    "Cost",
    "Network",
    "Node",
    "Preprocess",
    "build",
    "cost_of",
    "create",
    "models",
]


def build(net: Network, seed: int = 0) -> fx.GraphModule:
    """A torch module of this network, initialised as its ops say from `seed`. See `convsmith.backend.torch.build`."""
    from convsmith.backend.torch import build as build_module

    return build_module(net, seed)
