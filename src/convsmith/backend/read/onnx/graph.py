"""The graph of an ONNX file as values: nodes in order, constants, inputs and outputs. Nothing is computed yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, TypeAlias

import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto

from convsmith.backend.read.onnx.file import opset_of, text, to_array
from convsmith.errors import ReadError

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, eq=False)
class OnnxNode:
    """One node. `kind` is its operator, with the domain in front where that is not ONNX's own."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]

    @property
    def place(self) -> str:
        """How errors call it."""
        return f"node {self.name or self.outputs[0]!r} ({self.kind})"

    def input(self, index: int) -> str:
        """The name of an input; empty if it is left out."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def integer(self, name: str, default: int) -> int:
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise ReadError(f"{name} is not a whole number", place=self.place)
        return value

    def number(self, name: str, default: float) -> float:
        value = self.attributes.get(name, default)
        if not isinstance(value, int | float):
            raise ReadError(f"{name} is not a number", place=self.place)
        return float(value)

    def word(self, name: str, default: str) -> str:
        value = self.attributes.get(name, default)
        if not isinstance(value, str):
            raise ReadError(f"{name} is not a word", place=self.place)
        return value

    def integers(self, name: str) -> tuple[int, ...] | None:
        """A list of whole numbers; None if the node does not have it."""
        value = self.attributes.get(name)
        if value is not None and not (isinstance(value, tuple) and all(isinstance(item, int) for item in value)):
            raise ReadError(f"{name} is not a list of whole numbers", place=self.place)
        return value  # type: ignore[return-value]


@dataclass(frozen=True, eq=False)
class Branch:
    """The body of an `If`: nodes in order, and the names of what they put out."""

    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, Array]
    outputs: tuple[str, ...]


Attribute: TypeAlias = int | float | str | tuple[object, ...] | Array | Branch | None


@dataclass(frozen=True)
class Entry:
    """The graph's input: its name and sizes, None where the file leaves one open."""

    name: str
    sizes: tuple[int | None, ...]
    data_type: int


@dataclass(frozen=True, eq=False)
class OnnxGraph:
    """A whole graph. Nodes stand in topological order."""

    opset: int
    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, Array]
    inputs: tuple[Entry, ...]
    outputs: tuple[str, ...]

    @cached_property
    def makers(self) -> Mapping[str, OnnxNode]:
        """The node that puts out each value."""
        return {output: node for node in self.nodes for output in node.outputs if output}

    @cached_property
    def uses(self) -> Mapping[str, int]:
        """How many inputs take each value, and outputs."""
        return Counter([*(name for node in self.nodes for name in node.inputs), *self.outputs])


def graph_of(model: onnx.ModelProto, folder: Path | None) -> OnnxGraph:
    """The model's graph. Raises ReadError for one that is not well formed: cycles, values that nothing makes."""
    graph = model.graph
    constants = _initializers(graph, folder)
    inputs = tuple(_entry(value) for value in graph.input if text(value.name) not in constants)
    known = {*constants, *(entry.name for entry in inputs)}
    outputs = tuple(text(value.name) for value in graph.output)
    nodes = _sorted([_node(node, folder) for node in graph.node], known)
    missing = next((name for name in outputs if name not in known), None)
    if missing is not None or not outputs:
        raise ReadError(f"no node makes the output {missing!r}" if outputs else "the graph has no output")
    return OnnxGraph(opset_of(model), nodes, constants, inputs, outputs)


def _initializers(graph: GraphProto, folder: Path | None) -> dict[str, Array]:
    if graph.sparse_initializer:
        raise ReadError("the file has sparse tensors", advice="export it with dense weights")
    return {text(tensor.name): to_array(tensor, folder) for tensor in graph.initializer}


def _entry(value: ValueInfoProto) -> Entry:
    kind = value.type.tensor_type
    sizes = tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in kind.shape.dim)
    return Entry(value.name, sizes, kind.elem_type)


def _sorted(nodes: Sequence[OnnxNode], known: set[str]) -> tuple[OnnxNode, ...]:
    """The nodes, each after those whose values it takes; `known` grows by what they make."""
    makers: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for output in filter(None, node.outputs):
            if output in makers or output in known:
                raise ReadError(f"two nodes make the value {output!r}", place=node.place)
            makers[output] = index
    for node in nodes:
        missing = next((name for name in node.inputs if name and name not in makers and name not in known), None)
        if missing is not None:
            raise ReadError(f"takes {missing!r}, which nothing makes: the file lacks it", place=node.place)
    known.update(makers)
    if _in_order(nodes, makers):
        return tuple(nodes)
    sorter = TopologicalSorter(
        {index: [makers[name] for name in node.inputs if name in makers] for index, node in enumerate(nodes)}
    )
    try:
        return tuple(nodes[index] for index in sorter.static_order())
    except CycleError as error:
        raise ReadError(
            "the graph has a cycle: it runs through this node", place=nodes[error.args[1][0]].place
        ) from None


def _in_order(nodes: Iterable[OnnxNode], makers: Mapping[str, int]) -> bool:
    return all(makers.get(name, -1) < index for index, node in enumerate(nodes) for name in node.inputs)


def _node(node: NodeProto, folder: Path | None) -> OnnxNode:
    kind = text(node.op_type) if node.domain in ("", "ai.onnx") else f"{text(node.domain)}.{text(node.op_type)}"
    attributes = {text(attribute.name): _attribute(attribute, folder) for attribute in node.attribute}
    captured = [name for body in attributes.values() if isinstance(body, Branch) for name in _captured(body)]
    outputs = tuple(map(text, node.output))
    if not outputs or not kind:
        raise ReadError(f"node {node.name!r} {'has no operator' if outputs else 'puts nothing out'}")
    return OnnxNode(kind, text(node.name), (*map(text, node.input), *captured), outputs, attributes)


def _attribute(attribute: AttributeProto, folder: Path | None) -> Attribute:
    if attribute.type == AttributeProto.TENSOR:
        return to_array(attribute.t, folder)
    if attribute.type == AttributeProto.GRAPH:
        body = attribute.g
        constants = _initializers(body, folder)
        nodes = tuple(_node(node, folder) for node in body.node)
        return Branch(nodes, constants, tuple(text(value.name) for value in body.output))
    if attribute.type == AttributeProto.STRING:
        return text(attribute.s)
    if attribute.type == AttributeProto.INT:
        return attribute.i
    if attribute.type == AttributeProto.FLOAT:
        return attribute.f
    if attribute.type == AttributeProto.INTS:
        return tuple(attribute.ints)
    if attribute.type == AttributeProto.FLOATS:
        return tuple(attribute.floats)
    return None


def _captured(body: Branch) -> list[str]:
    """What a body takes from outside itself."""
    made = {*body.constants, *(output for node in body.nodes for output in node.outputs)}
    names = [*(name for node in body.nodes for name in node.inputs), *body.outputs]
    return [name for name in dict.fromkeys(names) if name and name not in made]


FLOATS = frozenset((TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE))
