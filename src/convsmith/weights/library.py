"""Weights of torchvision, timm and Keras, renamed and reshaped for our networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convsmith.errors import ModelFileError
from convsmith.network.network import Network, Node
from convsmith.network.ops import Conv, Flatten, Linear
from convsmith.weights.naming import naming
from convsmith.weights.numbering import renumbered

KERAS_PARAMETERS = {
    "weight": ("kernel", "depthwise_kernel", "gamma"),
    "bias": ("bias", "beta"),
    "running_mean": ("moving_mean",),
    "running_var": ("moving_variance",),
}
UNUSED = ("num_batches_tracked", "normalization/count")
"""Entries of checkpoints that no output depends on."""


def from_library(network: Network, state: Mapping[str, Any], source: str) -> dict[str, Tensor]:
    """A library's checkpoint as this network's state dict, for `convsmith.build(network).load_state_dict(...)`.

    `state` maps the library's own keys (of `source`: "torchvision", "timm" or "keras") to arrays, in its own layout;
    dtypes are kept. Raises ModelFileError listing every key that is missing, left over or of the wrong shape.
    """
    prefixes = naming(source, network)
    if source == "keras":
        prefixes = renumbered(prefixes, state)
    weights: dict[str, Tensor] = {}
    used: set[str] = set()
    problems: list[str] = []
    for node in network.nodes:
        for parameter in network.parameters_of(node):
            key = _key(state, prefixes[node.name], parameter.name, source)
            if key not in state:
                problems.append(f"missing {key}")
                continue
            used.add(key)
            array = np.asarray(state[key])
            if source == "keras":
                array = _from_keras(array, node, network, parameter.shape)
            if array.size == np.prod(parameter.shape) and _squeezed(array.shape) == _squeezed(parameter.shape):
                array = array.reshape(parameter.shape)
            if array.shape != tuple(parameter.shape):
                problems.append(f"{key} has shape {np.shape(state[key])}, {node.name} needs {tuple(parameter.shape)}")
                continue
            weights[f"{node.name}.{parameter.name}"] = torch.from_numpy(np.array(array))
    problems += [f"left over {key}" for key in state if key not in used and not key.endswith(UNUSED)]
    if problems:
        shown = "; ".join(problems[:8]) + (f"; and {len(problems) - 8} more" if len(problems) > 8 else "")
        raise ModelFileError(f"these {source} weights are not of {network.name}: {shown}")
    return weights


def _key(state: Mapping[str, Any], prefix: str, parameter: str, source: str) -> str:
    if source != "keras":
        return f"{prefix}.{parameter}"
    separator = "_" if "/" in prefix else "/"  # a separable layer has two kernels: NAME/depthwise_kernel
    keys = [f"{prefix}{separator}{name}" for name in KERAS_PARAMETERS[parameter]]
    return next((key for key in keys if key in state), keys[0])


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A 1x1 convolution's weight and a dense layer's are one shape; so is a dense one over a flattened map."""
    first, *rest = shape or (1,)
    return (first, int(np.prod(rest)))


def _from_keras(array: NDArray[Any], node: Node, network: Network, shape: tuple[int, ...]) -> NDArray[Any]:
    """Keras keeps kernels as (height, width, in, out), dense ones as (in, out), maps flattened channels last."""
    if isinstance(node.op, Conv) and array.ndim == 4:
        depthwise = shape[1] == 1 and node.op.groups > 1
        return array.transpose(2, 3, 0, 1).reshape(shape) if depthwise else array.transpose(3, 2, 0, 1)
    if isinstance(node.op, Linear) and array.ndim == 4:
        return array.transpose(3, 2, 0, 1)
    if isinstance(node.op, Linear) and array.ndim == 2:
        return _unflatten(array, node, network)
    return array


def _unflatten(array: NDArray[Any], node: Node, network: Network) -> NDArray[Any]:
    """(H * W * C, out) -> (out, C * H * W) where a map was flattened; a plain transpose elsewhere."""
    before = network[node.inputs[0]] if node.inputs[0] in network.shapes and node.inputs[0] != "input" else None
    if before is not None and isinstance(before.op, Flatten):
        channels, height, width = network.inputs_of(before)[0]
        if array.shape[0] == channels * height * width:
            array = array.reshape(height, width, channels, -1).transpose(3, 2, 0, 1)
            return array.reshape(array.shape[0], -1)
    return array.T
