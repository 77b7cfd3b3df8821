"""What a model file says before its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess

if TYPE_CHECKING:
    from torch import Tensor

    from convsmith.model.model import Model

Packing = Literal["plain", "coded"]
"""How a file holds the parameters: each as tensors of its own, or all as one entropy-coded stream."""

NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Header:
    """A model without its weights.

    `provenance` says where the weights come from: data fingerprint, recipe, seed, versions. `metrics` are what was
    measured, with the split it was measured on. Both are JSON values. `packing` says how its file holds the weights.
    """

    network: Network
    classes: tuple[str, ...]
    preprocess: Preprocess
    provenance: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    packing: Packing = "plain"

    def with_weights(self, weights: Mapping[str, Tensor], grids: Mapping[str, Mapping[str, Tensor]] = NONE) -> Model:
        """The model. A parameter whose storage needs a grid that is not given is stored in float32 again.

        So whoever trains on from a rounded model gets one that can be saved. Raises WeightsError if the weights are not
        the network's.
        """
        from convsmith.model.model import Model

        net = self.network
        lost = {s.parameter for s in net.storage if s.parameter not in grids and s.storage.has_grid}
        net = replace(net, storage=tuple(s for s in net.storage if s.parameter not in lost)) if lost else net
        return Model(net, weights, self.classes, self.preprocess, self.provenance, self.metrics, grids, self.packing)
