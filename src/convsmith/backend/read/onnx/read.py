"""Reading an ONNX file: where the network begins and ends, its steps, their names, and whether the answers agree."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from convsmith.backend.onnx.model import LOGITS
from convsmith.backend.read.draft import Draft, Read, Value as DraftValue
from convsmith.backend.read.onnx import rules  # noqa: F401  (adds the rules)
from convsmith.backend.read.onnx.entry import Start, batches, independent_outputs, needed, output_of, start_of
from convsmith.backend.read.onnx.file import is_rough, load, properties
from convsmith.backend.read.onnx.graph import OnnxGraph, OnnxNode, graph_of
from convsmith.backend.read.onnx.names import labels
from convsmith.backend.read.onnx.reader import Reader
from convsmith.backend.read.onnx.told import Told, told_by
from convsmith.backend.read.onnx.values import NETWORK_INPUT, Constant, Feature, Step
from convsmith.backend.read.onnx.verify import Answers, from_start, verify
from convsmith.errors import ReadError
from convsmith.network import Node, ops
from convsmith.network.dims import Shape


def read_onnx(
    path: str | os.PathLike[str],
    example_shape: Shape | None = None,
    *,
    name: str | None = None,
    output: str | None = None,
) -> Read:
    """The network in an ONNX file, and its weights by state-dict key, float32.

    The file takes one batch of pictures, (N, C, H, W) or (N, H, W, C), or is one of convsmith's own, whose
    preprocessing is left out. A softmax at its end is left out, too: a network puts out logits. `example_shape`
    (C, H, W), or (H, W, C) where the file has channels last, settles sizes that the file leaves open; `output` says
    which of several outputs is the logits. `name` is the network's, the file's stem unless given.

    The answers of the network to random pictures are held against ONNX Runtime's.
    Raises ReadError for a file that is no ONNX, damaged, or not a network for pictures, and where answers differ;
    the message names the node.
    """
    path = Path(path)
    try:
        model = load(path)
        read = _read(model, path, example_shape, output)
        return read if name is None else Read(replace(read.network, name=name), read.weights, read.notes)
    except ReadError as error:
        place = f"{path}: {error.place}" if error.place and error.place != str(path) else str(path)
        raise ReadError(error.what, place=place, advice=error.advice) from None


def told_in(path: str | os.PathLike[str]) -> Told:
    """The classes, preprocessing and provenance that an ONNX file of convsmith's holds. Raises ReadError."""
    return told_by(properties(load(Path(path))))


def _read(model: onnx.ModelProto, path: Path, shape: Shape | None, output: str | None) -> Read:
    graph = graph_of(model, path.parent)
    told = told_by(properties(model))
    start, end = start_of(graph, told, shape), output_of(graph, output)
    source = Source(model, path, graph, start, end)
    if told.network is None:
        return _read_graph(source, {}, path.stem)
    try:
        return _read_graph(source, told.layers, told.network.name)
    except ReadError:  # the file has been changed since it told this: what counts is its graph
        return _read_graph(source, {}, told.network.name)


@dataclass(frozen=True, eq=False)
class Source:
    """A file, and where the network in its graph begins and ends."""

    model: onnx.ModelProto
    path: Path
    graph: OnnxGraph
    start: Start
    end: str


def _read_graph(source: Source, layers: Mapping[str, Node], name: str) -> Read:
    nodes = needed(source.graph, source.start.value, source.end)
    reader, feature, batch = _steps(source, nodes, layers)
    ours = source.model.producer_name == "convsmith"
    endings: list[nn.Module] = []
    if not (ours and source.end == LOGITS):
        feature, endings = _without_softmax(reader, feature)
    reader.notes.extend(_left_out(source))
    read = _drafted(reader, feature, Draft(name, source.start.feature.shape), ours)
    file = from_start(source.model, source.start, nodes, source.end) if source.start.inside else source.path
    answers = Answers(file, source.start, 1 if batch == 1 else source.start.batch, source.end)
    verify(read, answers, endings, rough=is_rough(source.model))
    return read


def _left_out(source: Source) -> list[str]:
    """A note for each output that is not the network's, nor made of the network's."""
    others = [name for name in independent_outputs(source.graph) if name != source.end]
    return [f"the output {name!r} is left out: the network puts out {source.end!r}" for name in others]


def _steps(source: Source, nodes: Sequence[OnnxNode], layers: Mapping[str, Node]) -> tuple[Reader, Feature, int]:
    """The graph's steps, its output among them, and the batch size that it was read for."""
    first: ReadError | None = None
    start = source.start
    for batch in batches(start):
        reader = Reader(source.graph, start.value, start.feature, batch, layers)
        reader.read(nodes)
        try:
            return reader, reader.plain(source.end), batch
        except ReadError as error:
            first = first or error
    assert first is not None
    raise first


def _without_softmax(reader: Reader, feature: Feature) -> tuple[Feature, list[nn.Module]]:
    """The logits, as a vector where they are a map of one position; and what the file makes of them."""
    endings: list[nn.Module] = []
    step = reader.step_of(feature)
    while step is not None and isinstance(step.op, ENDINGS):
        if isinstance(step.op, ops.Softmax):
            if step.op.axis != 0:
                break
            endings.insert(0, nn.LogSoftmax(1) if isinstance(step.op, ops.LogSoftmax) else nn.Softmax(1))
        elif reader.shape(step.inputs[0])[1:] not in ((), (1, 1)):
            break
        feature = Feature.plain(step.inputs[0], reader.shape(step.inputs[0]))
        step = reader.step_of(feature)
    if endings:
        reader.notes.append("the softmax at the end is left out: the network puts out logits")
    if step is not None and feature.shape[1:] == (1, 1):
        feature = reader.emit(step.node, ops.Flatten(), feature)
    return feature, endings


ENDINGS = (ops.Softmax, ops.Flatten, ops.Reshape)


def _drafted(reader: Reader, output: Feature, draft: Draft, names_are_layers: bool) -> Read:
    """The steps that the output needs, as a network."""
    live = _live(reader.steps, output.step)
    values: dict[int, DraftValue] = {NETWORK_INPUT: draft.input}
    steps = [reader.steps[index] for index in live]
    names = labels(steps, names_are_layers)
    for index, step, name in zip(live, steps, names, strict=True):
        weights = {key: _tensor(constant) for key, constant in step.weights.items()}
        inputs = [values[source] for source in step.inputs]
        values[index] = draft.add(step.op, *inputs, name=name, weights=weights, place=step.node.place)
    for note in reader.notes:
        draft.note(note)
    return draft.finish(values[output.step])


def _live(steps: Sequence[Step], output: int) -> list[int]:
    wanted = {output}
    for index in range(len(steps) - 1, -1, -1):
        if index in wanted:
            wanted.update(steps[index].inputs)
    return sorted(wanted - {NETWORK_INPUT})


def _tensor(constant: Constant) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the file's bytes cannot be written to, and are only copied
        return torch.from_numpy(np.asarray(constant.array))
