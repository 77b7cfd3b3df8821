"""Quantization in the form that engines know: QuantizeLinear and DequantizeLinear around float layers.

ONNX Runtime and OpenVINO put integer kernels in the place of a layer whose inputs are all dequantized (weights from
int8, the bias from int32 at the scale of the products) and whose output is quantized.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from convsmith.backend.onnx.emit import emit
from convsmith.backend.onnx.graph import Graph, Layer
from convsmith.network.ops import Quantize

WITH_BIAS = ("Conv", "Gemm")
"""What integer kernels add a bias in; a transposed convolution has none in ONNX Runtime."""
LARGEST_BIAS = 2**31 - 1


@emit.register
def _(op: Quantize, layer: Layer) -> None:
    x, scale = layer.inputs[0], layer.floats("scale", op.scale)
    type_ = np.int8 if op.symmetric else np.uint8
    zero = layer.graph.constant(f"{layer.name}/zero_point", np.asarray(op.zero_point, type_))
    if op.bits < 8:
        ends = ((op.lowest - op.zero_point) * op.scale, (op.highest - op.zero_point) * op.scale)
        x = layer.step("Clip", [x, layer.floats("low", ends[0]), layer.floats("high", ends[1])])
    integers = layer.step("QuantizeLinear", [x, scale, zero])
    layer.result("DequantizeLinear", [integers, scale, zero])


def fit_for_integers(graph: Graph) -> None:
    """Brings the layers between dequantized inputs and a quantized output into the form that integer kernels have.

    A rectifier whose effect the rounding behind it has anyway is left out, and biases become int32.
    """
    constants = {constant.name: constant for constant in graph.constants}
    _drop_rectifiers(graph, constants)
    _quantize_biases(graph, constants)
    used = {name for node in graph.nodes for name in node.input}
    graph.constants = [constant for constant in graph.constants if constant.name in used]


def _drop_rectifiers(graph: Graph, constants: Mapping[str, onnx.TensorProto]) -> None:
    """Takes out each Relu or Clip that only a QuantizeLinear reads which holds values within the same ends.

    ONNX Runtime would do so too late: it would no longer see a sum as one of integers.
    """
    readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in graph.nodes:
        for name in node.input:
            readers[name].append(node)
    dropped = set()
    for node in graph.nodes:
        after = readers[node.output[0]]
        if node.op_type in ("Relu", "Clip") and [reader.op_type for reader in after] == ["QuantizeLinear"]:
            scale, zero = (numpy_helper.to_array(constants[name]) for name in after[0].input[1:])
            low, high = _ends(node, constants)
            steps = np.iinfo(zero.dtype)
            if _integer(low, scale, zero) <= steps.min and _integer(high, scale, zero) >= steps.max:
                after[0].input[0] = node.input[0]
                dropped.add(node.name)
    graph.nodes = [node for node in graph.nodes if node.name not in dropped]


def _ends(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> tuple[float, float]:
    """The smallest and the largest value that a Relu or Clip lets through."""
    if node.op_type == "Relu":
        return 0.0, math.inf
    low, high = (float(numpy_helper.to_array(constants[name])) for name in node.input[1:])
    return low, high


def _integer(value: float, scale: NDArray[np.float32], zero: NDArray[np.integer[Any]]) -> float:
    """What a value is quantized to, before it is held within the type's range."""
    return float(np.rint(value / np.float64(scale))) + float(zero)


def _quantize_biases(graph: Graph, constants: Mapping[str, onnx.TensorProto]) -> None:
    """Makes the float bias of every layer whose input and weight are dequantized an int32 one, and dequantizes it.

    Its scale is that of the products it is added to: the input's times the weight's. A bias that is out of reach at
    that scale stays float.
    """
    sources = {node.output[0]: node for node in graph.nodes if node.op_type == "DequantizeLinear"}
    nodes, graph.nodes = graph.nodes, []
    for node in nodes:
        if node.op_type in WITH_BIAS and len(node.input) == 3 and node.input[2] in constants:
            ends = [sources[name] for name in node.input[:2] if name in sources]
            if len(ends) == 2:
                scales = [numpy_helper.to_array(constants[end.input[1]]) for end in ends]
                _integer_bias(graph, node, constants[node.input[2]], np.asarray(scales[0] * scales[1]))
        graph.nodes.append(node)


def _integer_bias(graph: Graph, node: onnx.NodeProto, bias: onnx.TensorProto, scale: NDArray[np.float32]) -> None:
    values = np.rint(numpy_helper.to_array(bias) / scale.astype(np.float64))
    if np.abs(values).max() > LARGEST_BIAS:
        return
    integers = graph.constant(f"{node.name}/bias", values.astype(np.int32))
    factor = graph.constant(f"{node.name}/bias_scale", scale)
    name = graph.unique(f"{node.name}/bias/DequantizeLinear")
    graph.add("DequantizeLinear", name, [integers, factor], name, {"axis": 0} if scale.ndim else {})
    node.input[2] = name
