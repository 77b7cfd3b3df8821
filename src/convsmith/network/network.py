"""The value that everything else is a function of: a network without weights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from convsmith.errors import ShapeError, UsageError
from convsmith.network.dims import Shape, always, equal, text
from convsmith.network.ops import Op, Parameter
from convsmith.network.origin import Origin

if TYPE_CHECKING:
    from convsmith.network.storage import Storage, Stored

INPUT = "input"
"""The name by which nodes refer to the network's input."""


@dataclass(frozen=True, slots=True)
class Node:
    """One layer: a dotted name, an op, the names of its inputs.

    `shares` names an earlier node whose parameters this one uses instead of its own.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    shares: str | None = None

    @property
    def stage(self) -> str:
        """The outermost scope: "layer1" of "layer1.0.conv1"; empty outside any scope."""
        return self.name.partition(".")[0] if "." in self.name else ""

    @property
    def block(self) -> str:
        """The repeated unit: "layer1.0" of "layer1.0.downsample.conv1"; the stage where blocks are not numbered."""
        parts = self.name.split(".")[:-1]
        numbered = [i for i, part in enumerate(parts) if part.isdigit()]
        return ".".join(parts[: numbered[-1] + 1] if numbered else parts[:1])


@dataclass(frozen=True, slots=True)
class Auxiliary:
    """A second output that exists in training only; its loss counts `weight` (GoogLeNet: 0.3)."""

    node: str
    weight: float


@dataclass(frozen=True)
class Network:
    """Nodes in topological order from the input (C, H, W) to the output. Frozen, hashable, comparable, no weights.

    `origin` says where the network comes from, if that is known. It is provenance, not part of the value: networks that
    differ in nothing else are equal. `dataclasses.replace` keeps it, so a transform that makes another network of this
    one sets it too.

    Raises UsageError for a graph that is not one (unknown input, repeated name); shapes are inferred on first use
    and raise ShapeError naming the node.
    """

    name: str
    input: Shape
    nodes: tuple[Node, ...]
    output: str
    auxiliary: tuple[Auxiliary, ...] = ()
    origin: Origin | None = field(default=None, compare=False)
    storage: tuple[Stored, ...] = ()
    """How parameters are kept in a file, where not in float32 (see `with_storage`)."""

    def __post_init__(self) -> None:
        known: dict[str, Node] = {}
        for node in self.nodes:
            for source in node.inputs:
                if source not in known and source != INPUT:
                    raise UsageError(f"{node.name}: input {source!r} is not an earlier layer")
            if node.shares is not None and node.shares not in known:
                raise UsageError(f"{node.name}: shares parameters with {node.shares!r}, which is not an earlier layer")
            if node.name in known or node.name == INPUT:
                raise UsageError(f"two layers are named {node.name!r}")
            known[node.name] = node
        for name in (self.output, *(head.node for head in self.auxiliary)):
            if name not in known:
                raise UsageError(f"output {name!r} is not a layer of {self.name}")
        self.__dict__["_by_name"] = known
        if self.storage:
            from convsmith.network.storage import settled  # most networks are kept in float32 and need none of it

            self.__dict__["storage"] = settled(self.storage, known)

    def __getitem__(self, name: str) -> Node:
        """The node of this name. Raises KeyError."""
        node: Node = self.__dict__["_by_name"][name]
        return node

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """Output shape by node name, the input's included. Raises ShapeError naming the node that does not fit."""
        shapes: dict[str, Shape] = {INPUT: self.input}
        for node in self.nodes:
            inputs = [shapes[source] for source in node.inputs]
            shapes[node.name] = infer(node.name, node.op, inputs)
            if node.shares:
                self._check_shared(node, self[node.shares], shapes)
        return shapes

    @staticmethod
    def _check_shared(node: Node, owner: Node, shapes: Mapping[str, Shape]) -> None:
        own, shared = (
            {p.name: p.shape for p in n.op.parameters(*[shapes[source] for source in n.inputs])} for n in (node, owner)
        )
        if owner.shares or own.keys() != shared.keys() or not all(equal(own[key], shared[key]) for key in own):
            raise ShapeError(f"{node.name}: the parameters of {owner.name} do not fit this layer")

    def inputs_of(self, node: Node) -> list[Shape]:
        """The shapes that reach a node."""
        return [self.shapes[source] for source in node.inputs]

    def parameters_of(self, node: Node) -> tuple[Parameter, ...]:
        """The parameters that a node owns: none if it shares another's."""
        return () if node.shares else node.op.parameters(*self.inputs_of(node))

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """Every parameter by its state-dict key, in node order: `layer1.0.conv1.weight`."""
        return {f"{node.name}.{p.name}": p for node in self.nodes for p in self.parameters_of(node)}

    def storage_of(self, parameter: str) -> Storage:
        """How a parameter is kept in a file, by its state-dict key."""
        from convsmith.network.storage import FLOAT32

        return self._stored.get(parameter, FLOAT32)

    @cached_property
    def _stored(self) -> Mapping[str, Storage]:
        return dict(self.storage)

    @property
    def classes(self) -> int:
        """The length of the output vector."""
        return int(self.shapes[self.output][0])

    @cached_property
    def inference(self) -> Network:
        """The same network as it runs after training: no auxiliary heads, no training-only layers."""
        kept: list[Node] = []
        alias: dict[str, str] = {}
        needed = self.ancestors(self.output)
        for node in self.nodes:
            if node.name not in needed:
                continue
            inputs = tuple(alias.get(source, source) for source in node.inputs)
            if node.op.training_only:
                alias[node.name] = inputs[0]
            else:
                kept.append(Node(node.name, node.op, inputs, node.shares))
        output = alias.get(self.output, self.output)
        return replace(self, nodes=tuple(kept), output=output, auxiliary=())

    def ancestors(self, *names: str) -> set[str]:
        """These nodes and all that they depend on."""
        needed = set(names)
        for node in reversed(self.nodes):
            if node.name in needed:
                needed.update(node.inputs)
                if node.shares:
                    needed.add(node.shares)
        return needed

    def to_json(self) -> dict[str, Any]:
        """A JSON value; fields at their defaults are left out."""
        from convsmith.network import serial

        return serial.network_to_json(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | str) -> Self:
        """The network that `to_json` wrote. Raises UsageError for anything else, ShapeError if layers do not fit."""
        from convsmith.network import serial

        try:
            value: Any = json.loads(data) if isinstance(data, str) else data
        except (ValueError, RecursionError) as error:
            raise UsageError(f"not a network: not JSON ({error})") from None
        return serial.network_from_json(cls, value)

    def __str__(self) -> str:
        return f"{self.name}: {len(self)} layers, input {'x'.join(map(str, self.input))}"


def infer(name: str, op: Op, inputs: list[Shape]) -> Shape:
    """The op's output shape; a misfit is raised again under the node's name."""
    if len(inputs) != op.arity if op.arity is not None else not inputs:
        taken = "one or more" if op.arity is None else op.arity
        raise ShapeError(f"{name}: {op.kind} takes {taken} inputs, got {len(inputs)}")
    try:
        shape = op.shape(*inputs)
    except ShapeError as error:
        raise ShapeError(f"{name}: {error}") from None
    for dim in shape:
        positive = dim > 0
        if positive is not True and not always(positive):
            raise ShapeError(f"{name}: the output {text(shape)} is empty")
    return shape
