"""What convsmith notes in the ONNX files that it writes, beside the graph."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from convsmith.backend.read.onnx.graph import OnnxGraph
from convsmith.errors import ConvsmithError
from convsmith.network import Network, Node, Preprocess

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
    def layers(self) -> Mapping[str, Node]:
        """The layers that nodes of the graph were written from, by name."""
        return {} if self.network is None else {node.name: node for node in self.network.inference}


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
