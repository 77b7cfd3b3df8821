"""Numbers about networks: parameters, MACs, FLOPs, activations, memory, receptive field. Never torch."""

from __future__ import annotations

from convsmith.cost.cost import CONVENTION, Cost, LayerCost, cost_of
from convsmith.cost.field import Field

__all__ = ["CONVENTION", "Cost", "Field", "LayerCost", "cost_of"]
