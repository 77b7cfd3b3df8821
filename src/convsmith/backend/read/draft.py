"""A network under construction, as a reader meets its layers one by one.

A reader adds a node for each layer that it recognises, with the tensors of its parameters:

    draft = Draft("net", (3, 32, 32))
    x = draft.add(ops.Conv(16, (3, 3)), draft.input, name="stem.conv", weights={"weight": w}, place="net.py:12")
    x = draft.add(ops.Activation("relu"), x, name="stem.relu")
    read = draft.finish(x)

Names need not be free or valid: `add` makes them so. Two nodes of equal ops that are given the very same tensors
share parameters. Nodes that do not lead to an output are left out in the end.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from convsmith.errors import ReadError, ShapeError
from convsmith.network import INPUT, Auxiliary, Network, Node
from convsmith.network.dims import Shape, text
from convsmith.network.network import infer
from convsmith.network.ops import Op

TENSORS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
"""What torch's layers have as attributes, so that no layer below them can be named so."""

Storage = tuple[int, tuple[int, ...], tuple[int, ...], torch.dtype]


class Value(NamedTuple):
    """What a node puts out: its name and shape without the batch axis."""

    name: str
    shape: Shape


class _Pair(NamedTuple):
    network: Network
    weights: dict[str, Tensor]


class Read(_Pair):
    """A network and its weights by state-dict key: `network, weights = read(...)`.

    `notes` says what was read otherwise than it was written, a line for each: weights folded, outputs left out.
    """

    notes: tuple[str, ...]

    def __new__(cls, network: Network, weights: dict[str, Tensor], notes: Sequence[str] = ()) -> Read:
        read = super().__new__(cls, network, weights)
        read.notes = tuple(notes)
        return read


class Draft:
    """Nodes, their weights and their shapes so far."""

    def __init__(self, name: str, input: Shape, reserved: Collection[str] = ()) -> None:
        """`reserved` names are for layers that ask for just them, not for words (see `word`)."""
        self.name = name
        self._reserved = frozenset(reserved)
        self.input = Value(INPUT, tuple(input))
        self.notes: list[str] = []
        self._nodes: dict[str, Node] = {}
        self._weights: dict[str, dict[str, Tensor]] = {}
        """By the name of the node that owns them, then by parameter; sharers have no entry."""
        self._shapes: dict[str, Shape] = {INPUT: self.input.shape}
        self._owners: dict[tuple[Op, tuple[tuple[str, Storage], ...]], str] = {}

    def add(
        self, op: Op, *inputs: Value, name: str, weights: Mapping[str, Tensor] | None = None, place: str = ""
    ) -> Value:
        """Append a node. `name` is a wish; `weights` must hold every parameter of the op, in its shape.

        Raises ReadError, naming `place`, where the shapes do not fit or a parameter is missing.
        """
        try:
            shape = infer(name, op, [value.shape for value in inputs])
        except ShapeError as error:
            raise ReadError(str(error), place=place) from None
        weights = self._checked(op, inputs, weights or {}, name, place)
        label = self._free(name, weights)
        key = (op, tuple((key, _storage(tensor)) for key, tensor in weights.items()))
        owner = self._owners.setdefault(key, label) if weights else label
        self._nodes[label] = Node(label, op, tuple(value.name for value in inputs), None if owner == label else owner)
        self._shapes[label] = shape
        if owner == label:
            self._weights[label] = weights
        return Value(label, shape)

    def amend(self, value: Value, op: Op, weights: Mapping[str, Tensor], place: str = "") -> bool:
        """Give the node of a value, which no other uses yet, an op of the same output with more parameters.

        Returns False, and changes nothing, where another node uses the value.
        """
        node = self._nodes[value.name]
        if any(value.name in (*other.inputs, other.shares) for other in self._nodes.values()):
            return False
        given = {**self._weights.get(node.shares or node.name, {}), **weights}
        del self._nodes[value.name]
        self._weights.pop(value.name, None)
        self._owners = {key: owner for key, owner in self._owners.items() if owner != value.name}
        inputs = [Value(name, self._shapes[name]) for name in node.inputs]
        self.add(op, *inputs, name=value.name, weights=given, place=place)
        return True

    def word(self, scope: str, word: str) -> str:
        """A free name within a scope for something that has none of its own: "layer1.add", then "layer1.add_2"."""
        name = f"{scope}.{word}" if scope else word
        label, count = name, 1
        while label in self._reserved or label in self._nodes:
            count += 1
            label = f"{name}_{count}"
        return label

    def op_of(self, value: Value) -> Op | None:
        """The op that puts out this value; None for the input."""
        return None if value.name == INPUT else self._nodes[value.name].op

    def inputs_of(self, value: Value) -> tuple[Value, ...]:
        """What the node that puts out this value takes."""
        node = self._nodes.get(value.name)
        return tuple(Value(name, self._shapes[name]) for name in node.inputs) if node else ()

    def note(self, line: str) -> None:
        """Remember, once, what was read otherwise than it was written."""
        if line not in self.notes:
            self.notes.append(line)

    def finish(self, output: Value, auxiliary: Sequence[Auxiliary] = ()) -> Read:
        """The network that ends in `output`, without nodes that no output needs. Weights are float32 copies on the CPU.

        Raises ReadError where nothing is computed.
        """
        if output.name == INPUT:
            raise ReadError(f"{self.name} returns its input as it is: there is nothing to read")
        needed = {output.name, *(head.node for head in auxiliary)}
        for node in reversed(self._nodes.values()):
            if node.name in needed:
                needed.update(node.inputs)
        heirs: dict[str, str] = {}
        nodes, weights = [], {}
        for node in self._nodes.values():
            if node.name not in needed:
                continue
            owner = node.shares or node.name
            heir = heirs.setdefault(owner, node.name)  # the owner itself may not be needed
            nodes.append(replace(node, shares=None if heir == node.name else heir))
            if heir == node.name:
                for key, tensor in self._weights[owner].items():
                    weights[f"{node.name}.{key}"] = _kept(tensor)
        network = Network(self.name, self.input.shape, tuple(nodes), output.name, tuple(auxiliary))
        return Read(network, weights, self.notes)

    @staticmethod
    def _checked(
        op: Op, inputs: Sequence[Value], weights: Mapping[str, Tensor], name: str, place: str
    ) -> dict[str, Tensor]:
        """The weights in the op's order."""
        parameters = op.parameters(*[value.shape for value in inputs])
        known = {parameter.name for parameter in parameters}
        if known != weights.keys():
            odd = ", ".join(sorted(known ^ weights.keys()))
            raise ReadError(f"{name}: {op.kind} has the parameters {sorted(known)}; not as given: {odd}", place=place)
        for parameter in parameters:
            given = tuple(weights[parameter.name].shape)
            if given != parameter.shape:
                raise ReadError(
                    f"{name}: {op.kind} needs {parameter.name} {text(parameter.shape)}, not {text(given)}", place=place
                )
        return {parameter.name: weights[parameter.name] for parameter in parameters}

    def _free(self, wish: str, weights: Mapping[str, Tensor]) -> str:
        """The wish as a valid name, numbered from 2 if it is taken."""
        parts = [re.sub(r"[^\w-]", "_", part) for part in wish.split(".") if part]
        # A layer becomes a submodule, whose name must not hide what every torch module has.
        name = ".".join(f"{part}_" if hasattr(nn.Module, part) else part for part in parts) or "layer"
        label, count = name, 1
        while self._is_taken(label, weights):
            count += 1
            label = f"{name}_{count}"
        return label

    def _is_taken(self, label: str, weights: Mapping[str, Tensor]) -> bool:
        parent, _, last = label.rpartition(".")
        return (
            label == INPUT
            or label in self._nodes
            or (parent in self._nodes and last in {*TENSORS, *self._weights.get(parent, ())})
            or any(f"{label}.{key}" in self._nodes for key in {*TENSORS, *weights})
        )


def _storage(tensor: Tensor) -> Storage:
    """What two tensors have in common if they are the same numbers in memory."""
    return tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype


def _kept(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", torch.float32, copy=True).contiguous()
