"""Bias correction (Nagel et al. 2019, arXiv 1906.04721, section 4.2 and appendix D): no channel is off on average."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from torch import Tensor

from convsmith.model import Model
from convsmith.model.ranges import visit
from convsmith.network import Network, ops

MOST_BYTES = 2**28
"""Of one feature map: all images go through a layer at once, so that the next one sees the corrected values."""

BIASED = (ops.Conv, ops.ConvTranspose, ops.Linear, ops.TableConv)


def with_corrected_biases(model: Model, whole: Model, images: Tensor) -> Model:
    """The model, whose weights and feature maps are rounded, with biases such that each layer gives the mean that it
    gives in the `whole` model, channel by channel, over some images (N, C, H, W).

    Layers are corrected in their order, each on what the corrected ones before it give. Layers without a bias stay.
    """
    net, images = model.network, images[: _fitting(model.network)]
    layers = {node.name for node in net if isinstance(node.op, BIASED) and f"{node.name}.bias" in model.weights}
    layers -= {node.shares for node in net if node.shares}
    wanted = _means(whole, images, layers)
    weights = dict(model.weights)

    def correct(name: str, values: Tensor) -> None:
        if name in layers:
            off = wanted[name] - _mean(net, name, values)
            weights[f"{name}.bias"] = weights[f"{name}.bias"] + off
            values += off.view(_along(net, name))

    visit(model, [images], correct)
    return replace(model, weights=weights)


def _means(model: Model, images: Tensor, layers: set[str]) -> Mapping[str, Tensor]:
    found = {}

    def note(name: str, values: Tensor) -> None:
        if name in layers:
            found[name] = _mean(model.network, name, values)

    visit(model, [images], note)
    return found


def _mean(net: Network, name: str, values: Tensor) -> Tensor:
    """The mean of each channel (C,): the first axis of a map, the last of a dense layer's."""
    axis = values.ndim - 1 if isinstance(net[name].op, ops.Linear) else 1
    return values.mean([other for other in range(values.ndim) if other != axis])


def _along(net: Network, name: str) -> list[int]:
    """The shape of a number for each channel, beside the images."""
    rank = len(net.shapes[name])
    return [-1] if isinstance(net[name].op, ops.Linear) else [-1, *[1] * (rank - 1)]


def _fitting(net: Network) -> int:
    """How many images' maps of any layer fit into `MOST_BYTES`."""
    return max(1, MOST_BYTES // (4 * max(int(prod(shape)) for shape in net.shapes.values())))
