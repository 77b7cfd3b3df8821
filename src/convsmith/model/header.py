"""What a model file says before its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess

if TYPE_CHECKING:
    from torch import Tensor

    from convsmith.model.model import Model


@dataclass(frozen=True)
class Header:
    """A model without its weights.

    `provenance` says where the weights come from: data fingerprint, recipe, seed, versions. `metrics` are what was
    measured, with the split it was measured on. Both are JSON values.
    """

    network: Network
    classes: tuple[str, ...]
    preprocess: Preprocess
    provenance: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def with_weights(self, weights: Mapping[str, Tensor]) -> Model:
        """The model. Raises WeightsError if the weights are not the network's."""
        from convsmith.model.model import Model

        return Model(self.network, weights, self.classes, self.preprocess, self.provenance, self.metrics)
