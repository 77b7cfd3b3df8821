"""The whole ONNX model: boundary, layers, metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import onnx
from onnx import TensorProto, helper

import convsmith
from convsmith.backend.onnx.emit import emit
from convsmith.backend.onnx.form import OPSET, Form, in_opset
from convsmith.backend.onnx.graph import Graph, Layer, Weights
from convsmith.backend.onnx.grids import GridArrays, Grids
from convsmith.backend.onnx.image.preprocess import emit_preprocess
from convsmith.backend.onnx.quantize import fit_for_integers
from convsmith.errors import ExportError
from convsmith.network import INPUT, Network, Preprocess

LARGEST = 2**31 - 2**24
"""Bytes of weights: a protocol buffer is under 2 GiB, and the graph needs some."""

IMAGE, LOGITS, PROBABILITIES = "image", "logits", "probabilities"


def to_onnx(
    network: Network,
    weights: Weights,
    preprocess: Preprocess | None = None,
    *,
    form: Form | None = None,
    grids: GridArrays | None = None,
    classes: Sequence[str] = (),
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """The network as it runs after training, as an ONNX model whose nodes have the layers' names.

    With `preprocess` the input is one decoded RGB image, `image` uint8 (H, W, 3) of any size, or what `form` says;
    without, it is `input` float32 (N, C, H, W). The outputs are `logits` and `probabilities`, float32 (N, classes).
    `weights` are arrays by state-dict key; `grids` are the scales and zero points of those that the network stores as
    integers, which are written as int8: layers between two `Quantize` then run in integers. `metadata` is written into
    the model beside the class names, the network, the preprocessing and convsmith's version.

    Raises ExportError if a weight is missing, an op has no rule, the opset cannot express the graph, or the weights are
    too large for an ONNX file.
    """
    form = form or Form()
    if sum(array.nbytes for array in weights.values()) > LARGEST:
        raise ExportError(f"the weights of {network.name} are over 2 GiB, which an ONNX file cannot hold")
    graph = Graph((IMAGE, INPUT, LOGITS, PROBABILITIES), Grids(network, grids or {}))
    if preprocess is None or not form.preprocess:
        entry = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", *network.input])
        first, alone = INPUT, False
    else:
        alone = not form.batch
        entry = helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, _image_shape(form))
        first = emit_preprocess(graph, preprocess, IMAGE, batch=form.batch, size=form.size)
    _emit_layers(graph, network.inference, weights, first)
    fit_for_integers(graph)
    graph.add("Softmax", graph.unique(PROBABILITIES), [LOGITS], PROBABILITIES, {"axis": 1})
    shape = [1 if alone else "N", *network.shapes[network.output]]
    exits = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in (LOGITS, PROBABILITIES)]
    model = _model(
        helper.make_graph(graph.nodes, network.name, [entry], exits, graph.constants),
        _metadata(network, preprocess, classes) | dict(metadata or {}),
    )
    return in_opset(model, form.opset)


def _image_shape(form: Form) -> list[str | int]:
    return [*(["N"] if form.batch else []), *(form.size or ("H", "W")), 3]


def _emit_layers(graph: Graph, network: Network, weights: Weights, first: str) -> None:
    values = {INPUT: first}
    for node in network:
        name = graph.unique(node.name)
        output = LOGITS if node.name == network.output else name
        inputs = [values[source] for source in node.inputs]
        emit(node.op, Layer(graph, name, network, node, weights, inputs, output))
        values[node.name] = output


def _metadata(network: Network, preprocess: Preprocess | None, classes: Sequence[str]) -> dict[str, str]:
    data = {
        "classes": json.dumps(list(classes), ensure_ascii=False),
        "network": json.dumps(network.to_json()),
        "convsmith_version": convsmith.__version__,
    }
    return data if preprocess is None else data | {"preprocess": json.dumps(preprocess.to_json())}


def _model(graph: onnx.GraphProto, metadata: Mapping[str, str]) -> onnx.ModelProto:
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="convsmith")
    # The oldest format that holds this opset, so that older runtimes read it.
    model.ir_version = helper.find_min_ir_version_for(opsets)
    model.producer_version = convsmith.__version__
    helper.set_model_props(model, dict(metadata))
    return model
