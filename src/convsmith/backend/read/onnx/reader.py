"""Goes through the graph node by node: computes what is constant, and asks the rules for the rest."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TypeAlias

import numpy as np

from convsmith.backend.read.onnx.fold import bounded, fold, shape_of
from convsmith.backend.read.onnx.graph import Array, Branch, OnnxGraph, OnnxNode
from convsmith.backend.read.onnx.restore import Restore
from convsmith.backend.read.onnx.values import NETWORK_INPUT, Constant, Feature, Step, Unread, Value
from convsmith.errors import ReadError, ShapeError
from convsmith.network import Node, ops
from convsmith.network.dims import Shape
from convsmith.network.network import infer
from convsmith.network.ops import Op

LARGEST_MAP = 2**28
"""Elements of one image's feature map: 1 GiB. A picture classifier's largest has a fiftieth of that."""

LARGEST_WEIGHTS = 2**30
"""Parameters of a network: 4 GiB, and a quarter more than the largest that is published for pictures."""

OPEN_BATCH = 7919
"""Stands for a batch size that the file leaves open: a prime, so that shapes that are computed from it betray it."""

DAMAGED = (ArithmeticError, LookupError, TypeError, ValueError, MemoryError)
"""What Python and NumPy raise where attributes or constants are not as ONNX defines them."""

KEEPS_ORIGIN = ("Identity", "Cast", "Transpose", "Reshape", "Unsqueeze", "Squeeze", "Flatten", "DequantizeLinear")

Results: TypeAlias = Value | Sequence[Value]
Rule: TypeAlias = "Callable[[OnnxNode, Reader], Results]"
Recognise: TypeAlias = "Callable[[OnnxNode, Reader], Results | None]"

RULES: dict[str, Rule] = {}
"""By operator: what a node is in a network."""

PATTERNS: dict[str, list[Recognise]] = {}
"""By the operator of their last node: several nodes that are one layer. They are tried before the rule."""


def rule(*kinds: str) -> Callable[[Rule], Rule]:
    """Adds a rule for nodes of these operators."""

    def add(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, function))
        return function

    return add


def pattern(*kinds: str) -> Callable[[Recognise], Recognise]:
    """Adds a pattern that ends in a node of one of these operators; it answers None where it does not hold."""

    def add(function: Recognise) -> Recognise:
        for kind in kinds:
            PATTERNS.setdefault(kind, []).append(function)
        return function

    return add


class Reader:
    """The graph's values so far, and the steps of a network that they came to.

    Nodes are read in order, those of a pattern by themselves too; what nothing takes in the end is left out.
    """

    def __init__(self, graph: OnnxGraph, start: str, shape: Feature, batch: int, told: Mapping[str, Node]) -> None:
        self.graph = graph
        self.batch = batch
        self.restore = Restore(told, start, graph.constants)
        self.steps: list[Step] = []
        self.notes: list[str] = []
        self._makers: dict[str, OnnxNode] = {}
        self._values: dict[str, Value] = {name: Constant(array, name) for name, array in graph.constants.items()}
        self._values[start] = shape
        self._input_shape = shape.shape
        self._current: OnnxNode | None = None
        self._parameters: dict[int, int] = {}
        """How many numbers are at each place in memory: a layer that is read twice has one set of weights."""

    def read(self, nodes: Sequence[OnnxNode]) -> None:
        """Read these nodes. What has no rule becomes a value that raises when it is used."""
        for node in nodes:
            if node.outputs[0] in self._values:
                continue  # the network's input: what is before it does not count
            self._makers.update(dict.fromkeys(node.outputs, node))
            self._current = node
            try:
                results = self._read(node)
            except ReadError as error:
                results = Unread(error if error.place else ReadError(error.what, place=node.place, advice=error.advice))
            except DAMAGED as error:
                reason = f"its inputs or attributes are not as ONNX defines them ({type(error).__name__})"
                results = Unread(ReadError(reason, place=node.place))
            values = results if isinstance(results, Sequence) else [results]
            self._values.update(zip(node.outputs, values, strict=False))

    def value(self, name: str) -> Value:
        """Raises ReadError for a name that nothing has given a value."""
        if name not in self._values:
            raise ReadError(f"takes {name!r}, which is no value of an image" if name else "an input is left out")
        return self._values[name]

    def known(self, name: str) -> Value | None:
        """A value; None for a name that nothing has given one."""
        return self._values.get(name)

    def feature(self, name: str) -> Feature:
        """A value that depends on the image. Raises ReadError, that of its own reading if it could not be read."""
        value = self.value(name)
        if isinstance(value, Unread):
            raise value.error
        if isinstance(value, Constant):
            raise ReadError(f"takes {name!r}, which is a constant, where a value of the image belongs")
        return value

    def plain(self, name: str) -> Feature:
        """A feature in the order in which the graph sees it: a permutation becomes a step."""
        feature, node = self.feature(name), self._makers.get(name) or self._current
        return feature if node is None else self.straightened(feature, node)

    def straightened(self, feature: Feature, node: OnnxNode) -> Feature:
        """A feature as the graph sees it, by a step that is named after `node` where there has to be one."""
        if feature.is_plain:
            return feature
        if feature.axes[0] != 0:
            raise ReadError("moves the batch axis", advice="a network treats each image by itself")
        return self.emit(node, ops.Permute(tuple(axis - 1 for axis in feature.axes[1:])), base(feature))

    def constant(self, name: str) -> Constant | None:
        """A value that is known; None where it depends on the image or is left out."""
        value = self._values.get(name)
        return value if isinstance(value, Constant) else None

    def weight(self, node: OnnxNode, index: int) -> Constant:
        """An input that must be known. Raises ReadError where it depends on the image or is left out."""
        name = node.input(index)
        found = self.constant(name)
        if found is None:
            value = self._values.get(name)
            if isinstance(value, Unread):
                raise value.error
            raise ReadError(f"its weight {name!r} depends on the image" if name else "a weight is left out")
        return found

    def array(self, node: OnnxNode, index: int) -> Array | None:
        """The numbers of an input that may be left out. Raises ReadError where they depend on the image."""
        return self.weight(node, index).array if node.input(index) else None

    def maker(self, name: str) -> OnnxNode | None:
        """The node that puts out a value, seen through nodes that change nothing."""
        node = self._makers.get(name)
        while node is not None and node.kind in ("Identity", "Cast", "Dropout"):
            node = self._makers.get(node.input(0))
        return node

    def root(self, name: str) -> str:
        """The same value's first name, seen through nodes that change nothing."""
        node = self._makers.get(name)
        while node is not None and node.kind in ("Identity", "Cast", "Dropout"):
            name = node.input(0)
            node = self._makers.get(name)
        return name

    def used_once(self, name: str) -> bool:
        """Whether one node only takes this value, so that its step may be replaced."""
        return self.graph.uses.get(name, 0) <= 1

    def step_of(self, feature: Feature) -> Step | None:
        """The step that makes a feature; None for the network's input."""
        return None if feature.step == NETWORK_INPUT else self.steps[feature.step]

    def emit(self, node: OnnxNode, op: Op, *inputs: Feature, weights: Mapping[str, Constant] | None = None) -> Feature:
        """Adds a step. Its inputs are taken in their own order, whatever the graph sees.

        Raises ReadError where shapes do not fit or become absurd.
        """
        taken = tuple(feature.step for feature in inputs)
        try:
            shape = infer(node.name or node.kind, op, [self.shape(step) for step in taken])
        except ShapeError as error:
            raise ReadError(str(error), place=node.place) from None
        weights = weights or {}
        self._check_size(node, shape, weights)
        self.steps.append(Step(op, taken, weights, node, shape))
        return Feature.plain(len(self.steps) - 1, shape)

    def shape(self, step: int) -> Shape:
        return self._input_shape if step == NETWORK_INPUT else self.steps[step].shape

    def _check_size(self, node: OnnxNode, shape: Shape, weights: Mapping[str, Constant]) -> None:
        for weight in weights.values():
            self._parameters[weight.array.__array_interface__["data"][0]] = weight.array.size
        if prod(shape) > LARGEST_MAP:
            raise ReadError(f"puts out {'x'.join(map(str, shape))}, too much for a picture", place=node.place)
        if sum(self._parameters.values()) > LARGEST_WEIGHTS:
            raise ReadError("has more parameters than any network for pictures", place=node.place)

    def _read(self, node: OnnxNode) -> Results:
        known = [self.constant(name) for name in node.inputs]
        if node.kind == "Expand" and self.batch == OPEN_BATCH and known[0] is not None and known[1] is not None:
            return self._for_each_image(known[0], known[1].array)
        if all(value is not None or not name for value, name in zip(known, node.inputs, strict=True)):
            folded = fold(node, [value.array if value else None for value in known])
            if folded is not None:
                return self._constants_of(node, folded)
        restored = self.restore.layer(node, self)
        if restored is not None:
            return restored
        if node.kind == "Shape":
            return Constant(shape_of(node, self.feature(node.input(0)).sizes(self.batch)))
        if node.kind == "If":
            return self._branch(node)
        for recognise in PATTERNS.get(node.kind, ()):
            results = recognise(node, self)
            if results is not None:
                return results
        if node.kind not in RULES:
            raise unsupported(node)
        return RULES[node.kind](node, self)

    def is_parameter(self, known: Constant) -> bool:
        """Whether a constant is a parameter of the module that was exported, not a number in its code."""
        return known.origin in self.graph.constants and PARAMETER.fullmatch(known.origin) is not None

    def _constants_of(self, node: OnnxNode, arrays: Sequence[Array]) -> list[Constant]:
        source = self.constant(node.input(0)) if node.inputs and node.kind in KEEPS_ORIGIN else None
        if source is None:
            named = zip(arrays, node.outputs, strict=False)
            return [Constant(array, name if node.kind in FILLED else "") for array, name in named]
        if node.kind == "Identity" and "." in node.outputs[0]:
            # Exporters store equal weights of different layers once; the layers do not share them.
            return [Constant(source.array.copy(), node.outputs[0])]
        return [Constant(array, source.origin) for array in arrays]

    def _for_each_image(self, known: Constant, target: Array) -> Constant:
        """A constant repeated for each image of a batch: once is enough, since the network has it for each."""
        sizes = [int(size) for size in target.ravel()]
        if sizes[:1] == [self.batch] and known.array.ndim == len(sizes):
            sizes[0] = 1
        shape = np.broadcast_shapes(known.array.shape, bounded(sizes, [known.array]))
        return Constant(np.broadcast_to(known.array, bounded(shape, [known.array])), known.origin)

    def _branch(self, node: OnnxNode) -> Results:
        """The branch that an `If` takes, where that is known from the shapes."""
        condition = self.constant(node.input(0))
        if condition is None:
            raise unsupported(node)
        body = node.attributes.get("then_branch" if condition.array.any() else "else_branch")
        if not isinstance(body, Branch):
            raise ReadError("has no branch to take")
        for name, array in body.constants.items():
            self._values[name] = Constant(array, name)
        self.read(body.nodes)
        return [self.value(name) for name in body.outputs]


PARAMETER = re.compile(r"(?!(?:val|const|constant)_?\d*$|onnx|.*__\d+$)[A-Za-z_][\w-]*(\.[\w-]+)*", re.IGNORECASE)
"""A name that a module gives its parameter; exporters give their own constants names of other kinds."""

FILLED = ("Constant", "ConstantOfShape")
"""Operators that put out a weight under a name of its own."""


def base(feature: Feature) -> Feature:
    """The same feature in its step's own order."""
    return Feature.plain(feature.step, feature.shape)


def unsupported(node: OnnxNode) -> ReadError:
    if node.kind in ("If", "Loop", "Scan"):
        what, advice = "has control flow that depends on the image", "export the model for one path, in evaluation mode"
    elif "quantize" in node.kind.lower() or "QLinear" in node.kind or node.kind.endswith("Integer"):
        what, advice = "computes in integers", "read the float model that this one was quantized from"
    elif "." in node.kind:
        what, advice = "is no operator of ONNX itself", "export the model with ONNX's own operators only"
    else:
        what, advice = (
            "has no counterpart in a network",
            "export the model up to this node, or write it in other layers",
        )
    return ReadError(what, place=node.place, advice=advice)
