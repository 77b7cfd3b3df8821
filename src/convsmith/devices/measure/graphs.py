"""The graphs that are timed: a network as ONNX, with weights that take no room."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from convsmith.backend.onnx import to_onnx
from convsmith.network import Network

PATTERN = np.array([0.75, 1.25, 1.0, 0.875, 1.125], np.float32)
"""Vectors repeat these: an engine would simplify norms and scales that are one number."""
SMALLEST_REPEATED = 64
"""Elements from which a constant of one number is written as that number and a shape."""


def graph_of(network: Network) -> bytes:
    """The network as a serialized ONNX graph of some kilobytes, for a batch of one; its node names are the layers'.

    How long float arithmetic takes does not depend on the weights, as long as no number becomes too small to be
    normal. A weight is one number, 1 / inputs of a sum, which keeps the activations about 1.
    """
    keys = enumerate(network.parameters.items())
    weights = {key: _values(parameter.shape, number) for number, (key, parameter) in keys}
    model = one_image(to_onnx(network, weights))
    constants, nodes = list(model.graph.initializer), list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    for constant in constants:
        number = _one_number(constant)
        if number is None:
            model.graph.initializer.append(constant)
            continue
        shape = f"{constant.name}/shape"
        model.graph.initializer.append(numpy_helper.from_array(np.array(constant.dims, np.int64), shape))
        value = numpy_helper.from_array(np.array([number], np.float32))
        model.graph.node.append(helper.make_node("ConstantOfShape", [shape], [constant.name], value=value))
    model.graph.node.extend(nodes)
    content: bytes = model.SerializeToString()
    return content


def one_image(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with a batch of exactly one, which it is changed to: what an exported graph of one image runs."""
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    return model


def _values(shape: tuple[int, ...], number: int) -> NDArray[np.float32]:
    """The values of the parameter of this number, no other's: an engine computes equal layers of one input once."""
    unlike = 1 + number / 8192
    if len(shape) < 2:
        return np.resize(PATTERN * np.float32(unlike), shape)
    return np.full(shape, unlike / max(1, int(np.prod(shape[1:]))), np.float32)


def _one_number(constant: onnx.TensorProto) -> float | None:
    """The number that all elements of a large float constant are, if they are all one."""
    if constant.data_type != onnx.TensorProto.FLOAT or np.prod(constant.dims, dtype=int) < SMALLEST_REPEATED:
        return None
    array = numpy_helper.to_array(constant)
    return float(array.flat[0]) if (array == array.flat[0]).all() else None
