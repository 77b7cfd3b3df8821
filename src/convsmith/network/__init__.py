"""The network value: ops with their shape rules, the graph, the builder, JSON, table and picture. Never torch."""

from __future__ import annotations

from convsmith.network.dims import Shape
from convsmith.network.network import INPUT, Auxiliary, Network, Node
from convsmith.network.origin import Origin
from convsmith.network.preprocess import Preprocess

__all__ = ["INPUT", "Auxiliary", "Network", "Node", "Origin", "Preprocess", "Shape"]
