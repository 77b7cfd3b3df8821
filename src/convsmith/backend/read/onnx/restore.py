"""Layers of convsmith's own files, as the file tells of them.

ONNX has fewer words than a network: "same" padding becomes numbers, an adaptive pooling a row of slices, initialisers
are lost. What is restored here is held against the graph's answers, like all that is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from convsmith.backend.read.onnx.graph import Array, OnnxNode
from convsmith.backend.read.onnx.values import Constant, Feature
from convsmith.network import INPUT, Node
from convsmith.network.dims import Shape

if TYPE_CHECKING:
    from convsmith.backend.read.onnx.reader import Reader


class Restore:
    """The layers that a file tells of, and the values that they have put out so far."""

    def __init__(self, layers: Mapping[str, Node], start: str, constants: Mapping[str, Array]) -> None:
        self._layers = layers
        self._arrays = constants
        self._values = {INPUT: start}
        self._made: dict[str, Feature] = {}

    def told(self, node: OnnxNode) -> Node | None:
        """The layer that this node was written from, if the file says so."""
        self._values.setdefault(node.name, node.outputs[0])
        return self._layers.get(node.name)

    def layer(self, node: OnnxNode, reader: Reader) -> Feature | None:
        """The layer that this node was written from; None if the file does not say, or lacks what it needs."""
        layer = self.told(node)
        return None if layer is None else self._emitted(node, reader, layer)

    def _emitted(self, node: OnnxNode, reader: Reader, layer: Node) -> Feature | None:
        inputs = [self._input(node, reader, name) for name in layer.inputs]
        features = [feature for feature in inputs if feature is not None]
        if len(features) < len(inputs):
            return None
        weights = self._weights(layer, [feature.shape for feature in features])
        return None if weights is None else reader.emit(node, layer.op, *features, weights=weights)

    def _input(self, node: OnnxNode, reader: Reader, name: str) -> Feature | None:
        """What a layer puts out, in its own order.

        Constants have no node of their own, nor do rectifiers that rounding makes needless: they are added.
        """
        value = self._made.get(name) or reader.known(self._values.get(name, ""))
        if isinstance(value, Feature):
            return value if value.is_plain else None
        layer = self._layers.get(name)
        made = None if layer is None else self._emitted(replace(node, name=name), reader, layer)
        if made is not None:
            self._made[name] = made
        return made

    def _weights(self, layer: Node, shapes: Sequence[Shape]) -> dict[str, Constant] | None:
        """A layer's parameters, by the names under which convsmith writes them; None if one is missing."""
        weights = {}
        for parameter in layer.op.parameters(*shapes):
            key = f"{layer.shares or layer.name}.{parameter.name}"
            array = self._arrays.get(key)
            if array is None or array.size != prod(parameter.shape):
                return None
            weights[parameter.name] = Constant(array.reshape(parameter.shape), key)
        return weights
