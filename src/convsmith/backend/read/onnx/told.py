"""What convsmith notes in the ONNX files that it writes, beside the graph."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields

from convsmith.backend.read.onnx.graph import OnnxGraph
from convsmith.errors import ConvsmithError
from convsmith.network import Network, Preprocess
from convsmith.network.dims import Shape
from convsmith.network.ops import Op
from convsmith.network.ops.window import resolve

SCOPE = "preprocess/"
"""Nodes of the way from an image of any size to the network's input have names in it."""


@dataclass(frozen=True)
class Told:
    """The network, classes and preprocessing of an exported model; nothing in files that others wrote.

    `notes` are the other entries, provenance and metrics among them, as text.
    """

    network: Network | None = None
    classes: tuple[str, ...] = ()
    preprocess: Preprocess | None = None
    notes: Mapping[str, str] | None = None

    @property
    def ops(self) -> Mapping[str, Op]:
        """The ops that layers were before ONNX's words were too few for them."""
        return {} if self.network is None else {node.name: node.op for node in self.network}


def told_by(properties: Mapping[str, str]) -> Told:
    """What a file's properties tell, and nothing if they are not convsmith's or no longer whole."""
    if "convsmith_version" not in properties:
        return Told()
    try:
        network = Network.from_json(properties["network"])
        classes = tuple(str(name) for name in json.loads(properties.get("classes", "[]")))
        steps = json.loads(properties.get("preprocess", "null"))
        preprocess = None if steps is None else Preprocess.from_json(steps)
    except (ConvsmithError, ValueError, TypeError, LookupError, AttributeError):
        return Told()
    known = ("network", "classes", "preprocess")
    return Told(network, classes, preprocess, {key: text for key, text in properties.items() if key not in known})


def after_preprocessing(graph: OnnxGraph) -> str | None:
    """The value that preprocessing hands to the first layer; None in a graph without preprocessing."""
    made = {output for node in graph.nodes if node.name.startswith(SCOPE) for output in node.outputs}
    handed = {name for node in graph.nodes if not node.name.startswith(SCOPE) for name in node.inputs if name in made}
    return handed.pop() if len(handed) == 1 else None


UNWRITTEN = frozenset(("init", "bias_init", "gain_init", "momentum"))
"""Fields that matter in training alone: ONNX has no words for them."""


def as_told(op: Op, told: Op | None, shape: Shape) -> Op:
    """What a file tells of an op that was read on an input of this shape, where it is the same op in more words."""
    if type(told) is not type(op) or told == op:
        return op
    for field in fields(op):
        ours, theirs = getattr(op, field.name), getattr(told, field.name)
        if ours == theirs or field.name in UNWRITTEN:
            continue
        if field.name != "padding" or theirs != "same" or ours != _in_numbers(op, shape):
            return op
    return told


def _in_numbers(op: Op, shape: Shape) -> tuple[int, ...]:
    """What "same" padding is for a convolution or pooling of an input of this size."""
    kernel, stride, dilation = (getattr(op, name, (1, 1)) for name in ("kernel", "stride", "dilation"))
    return resolve("same", (shape[1], shape[2]), kernel, stride, dilation)
