"""The value `Model`: a network, its weights, and all that it takes to use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from convsmith.errors import WeightsError
from convsmith.model.header import Header, Packing
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess

if TYPE_CHECKING:
    from torch import Tensor

    from convsmith.backend.torch import NetworkModule

COUNTER = ".num_batches_tracked"
"""A torch batch norm counts its training batches. With a fixed momentum nothing reads the count, so it is no weight."""
NAMED = 4
"""How many keys an error names."""


@dataclass(frozen=True, eq=False)
class Model:
    """A network with weights, class names in the order of its outputs, preprocessing, provenance and metrics.

    `weights` holds one floating-point tensor for each of `network.parameters`, by state-dict key, of the parameter's
    shape. Batch counters, which a torch state dict has besides, are dropped. Tensors are not copied: don't change
    them in place. Make another model by `dataclasses.replace`, which checks it again.

    However `network.storage` keeps a parameter in a file, `weights` holds its values as floats. What its few bits mean
    is in `grids`, by parameter and part: `grids["conv1.weight"]["scale"]`. The values must lie on their grid when the
    model is saved; the file's integers follow from them. Grids of other parameters are dropped. With `packing="coded"`
    the file holds those integers entropy coded, and so do files of models made from this one.

    Raises WeightsError naming the weights or grids that are missing, left over or of another shape, and if there are
    not as many class names as outputs.
    """

    network: Network
    weights: Mapping[str, Tensor]
    classes: tuple[str, ...]
    preprocess: Preprocess
    provenance: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    grids: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    packing: Packing = "plain"

    def __post_init__(self) -> None:
        net = self.network
        if len(self.classes) != net.classes:
            raise WeightsError(f"{net.name}: {len(self.classes)} class names for {net.classes} outputs")
        left_over = [key for key in self.weights if key not in net.parameters and not key.endswith(COUNTER)]
        if left_over:
            raise WeightsError(f"{net.name} has no parameter {_some(left_over)}, but there are weights for it")
        object.__setattr__(self, "weights", _picked(net, self.weights))
        object.__setattr__(self, "grids", _grids(net, self.grids))

    @property
    def header(self) -> Header:
        """The model without its weights."""
        return Header(self.network, self.classes, self.preprocess, self.provenance, self.metrics, self.packing)

    @property
    def inference(self) -> Model:
        """The model as it runs after training: without auxiliary heads, training-only layers and their weights."""
        net = self.network.inference
        return replace(self, network=net, weights=_picked(net, self.weights))

    def module(self, network: Network | None = None) -> NetworkModule:
        """The one way to a torch module: built, with these weights in it, in evaluation mode, float32 on the CPU.

        `network` is the model's own by default, or another whose parameters are among the model's: a part, another
        side, a cheaper order (`transform.reorder.pool_before_rectifier`), more dropout. Every parameter that it has
        gets its weights; nothing stays as initialised. Norms' batch counters start at 0. The module has its own copy.

        Raises WeightsError naming what the model lacks or holds in another shape.
        """
        import torch

        from convsmith.backend.torch import assemble

        net = network or self.network
        weights = _picked(net, self.weights)
        module = assemble(net)
        counters = {
            key: torch.zeros_like(tensor)
            for key, tensor in module.state_dict().items()
            if key.endswith(COUNTER) and key not in weights
        }
        module.load_state_dict({**weights, **counters}, strict=True)
        return module.eval()


def _picked(net: Network, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a network's parameters, in their order. Raises WeightsError naming what does not fit."""
    missing = [key for key in net.parameters if key not in weights]
    if missing:
        raise WeightsError(f"{net.name}: the weights lack {_some(missing)}")
    for key, parameter in net.parameters.items():
        found = tuple(weights[key].shape)
        if found != tuple(parameter.shape):
            raise WeightsError(f"{net.name}: {key} has shape {found}, its layer needs {tuple(parameter.shape)}")
        if not weights[key].is_floating_point():
            raise WeightsError(f"{net.name}: {key} is {weights[key].dtype}, weights are floating point")
    return {key: weights[key] for key in net.parameters}


def _grids(net: Network, grids: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Mapping[str, Tensor]]:
    """The grids that the network's storages need. Raises WeightsError naming what does not fit."""
    kept = {}
    for key, storage in net.storage:
        for raw in storage.grid(net.parameters[key].shape):
            part = grids.get(key, {}).get(raw.part)
            if part is None:
                raise WeightsError(f"{net.name}: {key} is stored as {storage.kind}, which needs its {raw.part}")
            if tuple(part.shape) != tuple(raw.shape):
                raise WeightsError(
                    f"{net.name}: the {raw.part} of {key} has shape {tuple(part.shape)}, not {tuple(raw.shape)}"
                )
        if storage.has_grid:
            kept[key] = grids[key]
    return kept


def _some(keys: Iterable[str]) -> str:
    first = list(keys)
    more = len(first) - NAMED
    return ", ".join(first[:NAMED]) + (f" and {more} more" if more > 0 else "")
