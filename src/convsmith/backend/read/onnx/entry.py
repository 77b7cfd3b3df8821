"""Where in an ONNX graph the network begins and ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from convsmith.backend.onnx.model import LOGITS
from convsmith.backend.read.onnx.graph import Entry, OnnxGraph, OnnxNode
from convsmith.backend.read.onnx.reader import LARGEST_MAP, OPEN_BATCH
from convsmith.backend.read.onnx.told import Told, after_preprocessing
from convsmith.backend.read.onnx.values import NETWORK_INPUT, Feature
from convsmith.errors import ReadError
from convsmith.network.dims import Shape

PIXELS = (1, 3, 4)
"""How many channels a picture has: by them a layout is known."""

LARGEST_SIDE = 2**14

NCHW, NHWC = (0, 1, 2, 3), (0, 2, 3, 1)
DERIVED = ("Softmax", "LogSoftmax", "ArgMax", "TopK", "Identity", "Cast", "Sigmoid", "Squeeze", "Flatten", "Reshape")
"""Operators that make another output of the logits: probabilities, the best class."""


@dataclass(frozen=True)
class Start:
    """The value that is the network's input, as a feature, and the batch sizes that it may have."""

    value: str
    feature: Feature
    batch: int | None
    data_type: int
    inside: bool = False
    """Whether nodes of the graph come before it: convsmith's preprocessing."""


def start_of(graph: OnnxGraph, told: Told, shape: Shape | None) -> Start:
    """Where the network begins. `shape`, (C, H, W) or as the file has it, settles what the file leaves open.

    Raises ReadError for a graph with several inputs, or one that is no batch of pictures.
    """
    handed = after_preprocessing(graph)
    if handed is not None and told.network is not None:
        if shape is not None and tuple(shape) != told.network.input:
            raise ReadError(f"the network takes {_text(told.network.input)}, not the given {_text(shape)}")
        return Start(handed, Feature.plain(NETWORK_INPUT, told.network.input), None, 1, inside=True)
    used = [entry for entry in graph.inputs if graph.uses.get(entry.name)]
    if len(used) != 1:
        names = ", ".join(repr(entry.name) for entry in used) or "none that a node takes"
        raise ReadError(f"a picture is one input; the graph has {names}")
    return _pictures(used[0], shape)


def _pictures(entry: Entry, shape: Shape | None) -> Start:
    sizes = entry.sizes
    if len(sizes) != 4:
        raise ReadError(
            f"the input {entry.name!r} has {len(sizes)} axes, a batch of pictures (N, C, H, W) four",
            advice="export the model for batches",
        )
    axes, seen = _layout(entry, shape)
    known = [size for size in seen if size is not None]
    if len(known) < 3:
        raise ReadError(
            f"the input {entry.name!r} leaves sizes open: {_text(seen)}",
            advice="give its shape (channels, height, width)",
        )
    if max(known) > LARGEST_SIDE or prod(known) > LARGEST_MAP:
        raise ReadError(f"the input {entry.name!r} is {_text(known)}: no picture is as large")
    return Start(entry.name, Feature(NETWORK_INPUT, tuple(known), axes), sizes[0], entry.data_type)


def _layout(entry: Entry, shape: Shape | None) -> tuple[tuple[int, ...], Sequence[int | None]]:
    """The order in which the file has (N, C, H, W), and (C, H, W) as far as it is known."""
    sizes = entry.sizes[1:]
    if shape is None:
        last = sizes[2] in PIXELS and sizes[0] not in PIXELS
        return (NHWC, (sizes[2], *sizes[:2])) if last else (NCHW, sizes)
    if _fits(sizes, shape):
        last = shape[2] in PIXELS and shape[0] not in PIXELS
        return (NHWC, (shape[2], *shape[:2])) if last else (NCHW, shape)
    if _fits((sizes[2], *sizes[:2]), shape):
        return NHWC, shape
    raise ReadError(f"the input {entry.name!r} is {_text(sizes)}, not the given {_text(shape)}")


def _fits(sizes: Sequence[int | None], shape: Shape) -> bool:
    return len(shape) == 3 and all(size in (None, given) for size, given in zip(sizes, shape, strict=True))


def _text(sizes: Sequence[int | None]) -> str:
    return "x".join("?" if size is None else str(size) for size in sizes)


def output_of(graph: OnnxGraph, wanted: str | None) -> str:
    """The value that is the logits, or what is made of them and nothing else.

    Raises ReadError, naming them, where several outputs could be the one.
    """
    if wanted is not None:
        if wanted not in graph.outputs:
            raise ReadError(f"the file has no output {wanted!r}; it has {', '.join(map(repr, graph.outputs))}")
        return wanted
    first = independent_outputs(graph)
    if LOGITS in first:
        return LOGITS
    if len(first) != 1:
        raise ReadError(
            f"the file has the outputs {', '.join(map(repr, graph.outputs))}",
            advice="export the logits alone, or call them 'logits'",
        )
    return first[0]


def independent_outputs(graph: OnnxGraph) -> list[str]:
    """The outputs that are not made of other ones."""
    return [name for name in graph.outputs if not _derives(graph, name)]


def _derives(graph: OnnxGraph, output: str) -> bool:
    """Whether an output is made of another one by an operator that follows logits."""
    node = graph.makers.get(output)
    while node is not None and node.kind in DERIVED:
        if node.input(0) in graph.outputs:
            return True
        node = graph.makers.get(node.input(0))
    return False


def needed(graph: OnnxGraph, start: str, output: str) -> list[OnnxNode]:
    """The nodes between the network's input and its output, and those that compute their constants."""
    wanted, nodes = {output}, []
    for node in reversed(graph.nodes):
        if start in node.outputs or wanted.isdisjoint(node.outputs):
            continue
        nodes.append(node)
        wanted.update(node.inputs)
    return nodes[::-1]


def batches(start: Start) -> tuple[int, ...]:
    """Batch sizes to read the graph for: one that the file leaves open may prove to be 1 all the same."""
    return (OPEN_BATCH, 1) if start.batch is None else (start.batch,)
