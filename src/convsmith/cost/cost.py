"""Exact figures of a network, by layer and in total, without building it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from convsmith.cost import memory
from convsmith.cost.field import Field, fields_of
from convsmith.network.dims import Dim, Shape, always, elements
from convsmith.network.network import Network, Node

CONVENTION = (
    "MACs: multiply-adds of convolutions and matrix products for one image in evaluation mode. "
    "FLOPs: 2 x MACs + one for each other elementwise operation. "
    "Activations: output elements of layers with weights in convolutions and matrix products."
)
FLOAT32_BYTES = 4


class LayerCost(NamedTuple):
    """One row: figures for one image.

    `params` counts trainable parameters, `buffers` those that are not (running statistics); both are 0 where the
    layer shares another's. `inference` is False for layers that exist in training only (dropout, auxiliary heads).
    `stored` is the bytes of the parameters and buffers in a model file.
    """

    node: Node
    inputs: tuple[Shape, ...]
    output: Shape
    params: Dim
    buffers: Dim
    macs: Dim
    flops: Dim
    inference: bool
    stored: Dim = 0

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def weights_dominate(self) -> bool:
        """Whether this is a convolution or matrix product."""
        return not isinstance(self.macs, int) or self.macs > 0


@dataclass(frozen=True)
class Cost:
    """Figures of a whole network: `params`, `macs`, `flops`, `activations`, bytes, receptive field."""

    network: Network
    layers: tuple[LayerCost, ...]

    @cached_property
    def params(self) -> Dim:
        """Trainable parameters, auxiliary heads included, shared ones once."""
        return _total(row.params for row in self.layers)

    @cached_property
    def buffers(self) -> Dim:
        """Numbers in the weights that are not trained: running means and variances, fixed codes."""
        return _total(row.buffers for row in self.layers)

    @cached_property
    def macs(self) -> Dim:
        """Multiply-adds of convolutions and matrix products, one image, evaluation mode."""
        return _total(row.macs for row in self.layers if row.inference)

    @cached_property
    def flops(self) -> Dim:
        """2 x MACs + other elementwise operations, one image, evaluation mode."""
        return _total(row.flops for row in self.layers if row.inference)

    @cached_property
    def activations(self) -> Dim:
        """Output elements of convolutions and matrix products (Radosavovic et al. 2020, section 3.1)."""
        return _total(elements(row.output) for row in self.layers if row.inference and row.weights_dominate)

    @cached_property
    def stored_bytes(self) -> Dim:
        """Bytes of all parameters and buffers as the network stores them: the tensors of its model file, exactly."""
        return _total(row.stored for row in self.layers)

    def weights_bytes(self, bytes_per_value: int = 4) -> Dim:
        """Bytes of all parameters and buffers in memory, where every one is as wide."""
        return (self.params + self.buffers) * bytes_per_value

    def inference_bytes(self, batch: int = 1, bytes_per_value: int = 4) -> Dim:
        """Peak bytes while running: weights, and the feature maps alive at the worst moment in execution order."""
        return self.weights_bytes(bytes_per_value) + batch * bytes_per_value * memory.peak_live(self.network.inference)

    def training_bytes(self, batch: int = 1, optimizer_slots: int = 1, bytes_per_value: int = 4) -> Dim:
        """Bytes at the start of the backward pass: weights, gradients, optimizer state, saved feature maps.

        `optimizer_slots` is the numbers that the optimizer keeps for each parameter: 1 for SGD with momentum, 2 for
        AdamW.
        """
        weights = self.weights_bytes(bytes_per_value) + (1 + optimizer_slots) * self.params * bytes_per_value
        return weights + batch * memory.saved_bytes(self.network, bytes_per_value)

    @cached_property
    def fields(self) -> dict[str, Field]:
        """Receptive field by layer name."""
        return fields_of(self.network)

    @property
    def field(self) -> Field:
        """Receptive field of the last feature map: what one position of it sees of the input."""
        last = next((row for row in reversed(self.layers) if row.inference and _spatial(row)), self.layers[0])
        return self.fields[last.name]

    def to_json(self) -> dict[str, Any]:
        """Totals and rows as JSON values; the convention is stated in them."""
        return {
            "network": self.network.name,
            "input": list(self.network.input),
            "convention": CONVENTION,
            "params": self.params,
            "buffers": self.buffers,
            "macs": self.macs,
            "flops": self.flops,
            "activations": self.activations,
            "weights_bytes": self.weights_bytes(),
            "stored_bytes": self.stored_bytes,
            "inference_bytes": self.inference_bytes(),
            "training_bytes": self.training_bytes(),
            "receptive_field": list(self.field.size),
            "layers": [self._row_json(row) for row in self.layers],
        }

    def _row_json(self, row: LayerCost) -> dict[str, Any]:
        return {
            "name": row.name,
            "op": row.node.op.kind,
            "inputs": list(row.node.inputs),
            "output": list(row.output),
            "params": row.params,
            "buffers": row.buffers,
            "stored_bytes": row.stored,
            "macs": row.macs,
            "flops": row.flops,
            "receptive_field": list(self.fields[row.name].size),
            "inference": row.inference,
        }


def _total(values: Iterator[Dim]) -> Dim:
    total: Dim = 0
    for value in values:
        total = total + value
    return total


def _spatial(row: LayerCost) -> bool:
    return len(row.output) == 3 and not always((row.output[1] == 1) & (row.output[2] == 1))


def _stored(net: Network, node: Node) -> Dim:
    """Bytes of a node's parameters in a model file."""
    return _total(net.storage_of(f"{node.name}.{p.name}").bytes(p.shape) for p in net.parameters_of(node))


def cost_of(net: Network) -> Cost:
    """The exact cost of a network: parameters, multiply-adds, FLOPs, activations, bytes, receptive field.

    With NumPy arrays as sizes in the network, every figure is an array with one entry for each candidate.
    Raises UsageError for an op that has no rule, ShapeError where layers do not fit.
    """
    return Cost(net, tuple(rows_of(net)))


def rows_of(net: Network) -> Iterator[LayerCost]:
    """The cost of each layer, in the network's order. Raises as `cost_of` does."""
    shapes = net.shapes
    kept = net.ancestors(net.output)
    for node in net.nodes:
        op = node.op
        inputs = tuple([shapes[source] for source in node.inputs])
        output = shapes[node.name]
        params: Dim = 0
        buffers: Dim = 0
        for parameter in () if node.shares else op.parameters(*inputs):
            if parameter.trainable:
                params = params + elements(parameter.shape)
            else:
                buffers = buffers + elements(parameter.shape)
        macs = op.macs(output, *inputs)
        flops = 2 * macs + op.elementwise(output, *inputs)
        stored = _stored(net, node) if net.storage else FLOAT32_BYTES * (params + buffers)
        inference = node.name in kept and not op.training_only
        yield LayerCost(node, inputs, output, params, buffers, macs, flops, inference, stored)
