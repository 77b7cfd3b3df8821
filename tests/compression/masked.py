"""A network with channels cut, beside the whole one with those channels at zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

import convsmith
from convsmith.compression.slimming.choice import fewest, order_of
from convsmith.compression.slimming.scores import scores_of
from convsmith.compression.slimming.slim import cut
from convsmith.model import Model, plain_filters
from convsmith.network import Network, Preprocess
from convsmith.transform.channels import Channels, channels_of

IMAGES = 2


def models_of(*networks: Network) -> list[Model]:
    """Models whose norms have statistics and weights away from 0 and 1, and whose gains are not 0."""
    return [_model(network) for network in networks]


def _model(net: Network) -> Model:
    state = convsmith.build(net, 1).state_dict()
    generator = torch.Generator().manual_seed(0)
    for name, tensor in state.items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=generator)
        elif tensor.is_floating_point() and (tensor.ndim < 2 or name.endswith(("gain", "value"))):
            tensor.uniform_(-0.5, 1.5, generator=generator)
    classes = tuple(f"class {i}" for i in range(net.classes))
    channels = net.input[0]
    return Model(net, state, classes, Preprocess(channels, net.input[1:], 8, (0.5,) * channels, (0.5,) * channels))


def same_as_masked(model: Model, share: float, seed: int | None = None) -> float:
    """How far outputs are apart, of the largest, without this share of the units and with their parameters at zero.

    Units go by their filters' norms, or at random by a seed.
    """
    model = plain_filters(model.inference)
    channels = channels_of(model.network)
    scores = scores_of(model, channels, "l2") if seed is None else np.random.default_rng(seed).random(channels.units)
    order = order_of(channels, scores, floor=0.0, divisor=1)
    removed = fewest(order, lambda gone: len(gone) >= share * channels.units) or order.first(len(order.units))
    smaller = cut(model, channels, removed)
    assert convsmith.cost_of(smaller.network).params < convsmith.cost_of(model.network).params
    images = torch.randn((IMAGES, *model.network.input), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        whole, left = masked(model, channels, removed).module()(images), smaller.module()(images)
    assert whole.abs().max() > 0
    return float((whole - left).abs().max() / whole.abs().max())


def masked(model: Model, channels: Channels, removed: frozenset[int]) -> Model:
    """The whole model, with every index that belongs to a removed unit at zero in every parameter."""
    weights = {key: value.clone() for key, value in model.weights.items()}
    for slot in channels.slots:
        gone = torch.tensor([i for i, unit in enumerate(slot.units) if unit in removed], dtype=torch.long)
        weights[slot.parameter].index_fill_(slot.axis, gone, 0)
    return replace(model, weights=weights)
