"""An ONNX graph under construction: nodes, constants, and names that do not collide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from convsmith.backend.onnx.grids import Grids, Integers
from convsmith.errors import ExportError
from convsmith.network import INPUT, Network, Node

Attributes: TypeAlias = Mapping[str, int | float | str | Sequence[int]]
Array: TypeAlias = NDArray[np.float32] | NDArray[np.integer[Any]]
Weights: TypeAlias = Mapping[str, NDArray[np.float32]]
"""Parameters by their state-dict key: `layer1.0.conv1.weight`."""


class Graph:
    """Nodes and constants so far. Values and nodes are named after the network's layers, numbered where taken."""

    def __init__(self, reserved: Sequence[str], grids: Grids) -> None:
        self.grids = grids
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._names = set(reserved)
        self._parameters: dict[tuple[str, tuple[int, ...]], str] = {}

    def unique(self, name: str) -> str:
        """This name, or if it is taken, this name and a number."""
        free, count = name, 1
        while free in self._names:
            count += 1
            free = f"{name}_{count}"
        self._names.add(free)
        return free

    def add(self, kind: str, name: str, inputs: Sequence[str], output: str, attributes: Attributes) -> None:
        node = helper.make_node(kind, inputs, [output], name=name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)

    def constant(self, name: str, array: Array) -> str:
        """Adds a constant; the name of its value."""
        value = self.unique(name)
        self.constants.append(numpy_helper.from_array(np.asarray(array, order="C"), value))
        return value

    def parameter(self, key: str, array: NDArray[np.float32]) -> str:
        """Adds a parameter, once however many layers share it; the name of its value."""
        known = (key, array.shape)
        if known not in self._parameters:
            integers = self.grids.integers(key, array)
            value = self.constant(key, array) if integers is None else self._dequantized(key, integers)
            self._parameters[known] = value
        return self._parameters[known]

    def _dequantized(self, key: str, integers: Integers) -> str:
        """Adds a parameter as the integers that it is stored as, and what makes floats of them."""
        parts: dict[str, Array] = {"values": integers.values, "scale": integers.scale, "zero_point": integers.zero}
        inputs = [self.constant(f"{key}/{part}", array) for part, array in parts.items()]
        name = self.unique(f"{key}/DequantizeLinear")
        self.add("DequantizeLinear", name, inputs, name, {} if integers.axis is None else {"axis": integers.axis})
        return name


class Scope:
    """Where intermediate values get their names from: those of `conv1` are `conv1/Pad`, `conv1/sizes`."""

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph = graph
        self.name = name

    def step(self, kind: str, inputs: Sequence[str], attributes: Attributes | None = None) -> str:
        """Adds an ONNX node; the name of its output."""
        name = self.graph.unique(f"{self.name}/{kind}")
        self.graph.add(kind, name, inputs, name, attributes or {})
        return name

    def floats(self, label: str, values: object) -> str:
        """Adds a float32 constant; the name of its value."""
        return self.graph.constant(f"{self.name}/{label}", np.asarray(values, np.float32))

    def ints(self, label: str, values: int | Sequence[int]) -> str:
        """Adds an int64 constant; the name of its value."""
        return self.graph.constant(f"{self.name}/{label}", np.asarray(values, np.int64))


class Layer(Scope):
    """One node of the network while it is written: names and shapes (C, H, W) of its inputs and output."""

    def __init__(
        self,
        graph: Graph,
        name: str,
        network: Network,
        node: Node,
        weights: Weights,
        inputs: Sequence[str],
        output: str,
    ) -> None:
        super().__init__(graph, name)
        self.inputs = inputs
        self.shapes = network.inputs_of(node)
        self.shape = network.shapes[node.name]
        self._network = network
        self._node = node
        self._output = output
        self._owner = node.shares or node.name
        self._weights = weights

    def result(self, kind: str, inputs: Sequence[str], attributes: Attributes | None = None) -> None:
        """Adds the ONNX node that gives this layer's output; it has the layer's name."""
        self.graph.add(kind, self.name, inputs, self._output, attributes or {})

    def constant_inputs(self) -> list[bool]:
        """Of each input, whether it does not depend on the image: its batch axis is 1."""
        net = self._network
        if all(node.inputs for node in net):
            return [False] * len(self.inputs)
        seen = {INPUT}
        for node in net:
            if any(source in seen for source in node.inputs):
                seen.add(node.name)
        return [source not in seen for source in self._node.inputs]

    def array(self, name: str) -> NDArray[np.float32]:
        """The value of a parameter, of the layer that owns it. Raises ExportError if there is none."""
        key = f"{self._owner}.{name}"
        if key not in self._weights:
            raise ExportError(f"the weights have no {key!r}, which layer {self.name} needs")
        return np.asarray(self._weights[key], np.float32)

    def parameter(self, name: str, array: NDArray[np.float32] | None = None) -> str:
        """The value of a parameter as an input of an ONNX node, in another arrangement if `array` is given."""
        return self.graph.parameter(f"{self._owner}.{name}", self.array(name) if array is None else array)
