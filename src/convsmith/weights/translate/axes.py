"""How libraries order the axes of what we keep as (out, in / groups, height, width), or as (out, in) if it is dense."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from convsmith.network.network import Network, Node
from convsmith.network.ops import Conv, FixedNorm, Flatten, Linear
from convsmith.weights.translate.slots import squeezed
from convsmith.zoo.libraries.library_family import LibraryFamily

DEVIATIONS = torch.tensor((0.229, 0.224, 0.225))
"""Standard deviations of ImageNet's colours. Keras' published EfficientNets have them where their layer expects
variances; Keras' code corrects for it after the layer (https://github.com/tensorflow/tensorflow/issues/49930)."""


def to_ours(theirs: Tensor, network: Network, node: Node, shape: tuple[int, ...], record: LibraryFamily) -> Tensor:
    """A library's tensor in our order of axes. It has the wanted `shape` if it fits, and else whatever shape it has."""
    ours = _from_keras(theirs, network, node, shape) if record.library == "keras" else theirs
    # A 1x1 convolution's weight is the same as a dense layer's; so is a dense layer's over a flattened map.
    return ours.reshape(shape) if squeezed(ours.shape) == squeezed(shape) else ours


def to_theirs(ours: Tensor, network: Network, node: Node, record: LibraryFamily) -> Tensor:
    """A tensor of ours in the library's order of axes."""
    if ours.ndim < 2 or not isinstance(node.op, Conv | Linear):
        return ours
    convolution = isinstance(node.op, Conv) or node.name in record.convolutions
    if record.library != "keras":
        return _unflattened(ours, network, node) if convolution else ours
    if isinstance(node.op, Conv) and _depthwise(node.op, tuple(ours.shape)):
        return ours.reshape(int(node.op.groups), -1, *ours.shape[2:]).permute(2, 3, 0, 1)
    theirs = _unflattened(ours, network, node).permute(2, 3, 1, 0)
    return theirs if convolution else theirs.reshape(-1, ours.shape[0])


def _from_keras(theirs: Tensor, network: Network, node: Node, shape: tuple[int, ...]) -> Tensor:
    """Keras keeps kernels as (height, width, in, out), depthwise ones as (height, width, in, multiplier), dense ones
    as (in, out), where a flattened map has its channels last."""
    if theirs.ndim == 4:
        depthwise = isinstance(node.op, Conv) and _depthwise(node.op, shape) and theirs.numel() == math.prod(shape)
        return theirs.permute(2, 3, 0, 1).reshape(shape) if depthwise else theirs.permute(3, 2, 0, 1)
    if isinstance(node.op, FixedNorm) and theirs.shape == (3,) and torch.allclose(theirs.float(), DEVIATIONS):
        return theirs.square()
    if theirs.ndim != 2:
        return theirs
    channels, height, width = _map(network, node)
    if height * width > 1 and theirs.shape[0] == channels * height * width:
        theirs = theirs.reshape(height, width, channels, -1).permute(2, 0, 1, 3).reshape(theirs.shape)
    return theirs.T


def _depthwise(op: Conv, shape: tuple[int, ...]) -> bool:
    return bool(op.groups > 1) and shape[1] == 1


def _unflattened(ours: Tensor, network: Network, node: Node) -> Tensor:
    """(out, C * H * W) -> (out, C, H, W), of the map that was flattened; (out, C, 1, 1) if none was."""
    return ours if ours.ndim == 4 else ours.reshape(ours.shape[0], *_map(network, node))


def _map(network: Network, node: Node) -> tuple[int, int, int]:
    """The (C, H, W) of a layer's input before it was flattened; (C, 1, 1) if it never was a map."""
    names = {other.name: other for other in network.nodes}
    before = names.get(node.inputs[0])
    shape = network.inputs_of(before)[0] if before and isinstance(before.op, Flatten) else network.inputs_of(node)[0]
    channels, height, width = (*shape, 1, 1)[:3]
    return int(channels), int(height), int(width)
