"""A small network trained for a second on pictures of clothes, so that compression has something to lose."""

from __future__ import annotations

from functools import cache

import torch

import convsmith
from convsmith.compression import Sample, sample_of
from convsmith.data import open_dataset
from convsmith.data.dataset import Dataset
from convsmith.model import Model
from convsmith.network import Network, Preprocess, builder as nn
from convsmith.train import Recipe

torch.set_num_threads(1)

PREPROCESS = Preprocess(1, (14, 14), 14, (0.286,), (0.353,))


@cache
def clothes() -> Dataset:
    return open_dataset("fashion-mini")


def network() -> Network:
    """Two plain convolutions, a residual block with a depthwise layer, and two dense layers."""

    def family(x: nn.Tensor) -> nn.Tensor:
        x = nn.max_pool(nn.conv_norm_act(x, 16, 3), 2)
        x = nn.conv_norm_act(x, 32, 3)
        y = nn.conv_norm_act(x, 32, 3, groups=32)
        x = nn.relu(nn.add(x, nn.conv_norm(y, 32, 1)))
        return nn.linear(nn.relu(nn.linear(nn.max_pool(x, 2), 32)), 10)

    return nn.write("small", (1, 14, 14), family)


@cache
def trained() -> Model:
    """About four of five of its answers are right."""
    net = network()
    model = Model(net, convsmith.build(net, 1).state_dict(), clothes().classes, PREPROCESS)
    sample = sample_of(model, clothes(), 2000)
    module, optimizer = convsmith.build(net, 1), None
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    torch.manual_seed(0)
    for _ in range(6):
        for rows in torch.randperm(len(sample)).split(50):
            loss = torch.nn.functional.cross_entropy(module(sample.images[rows]), sample.labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return Model(net, module.state_dict(), clothes().classes, PREPROCESS)


@cache
def sample(split: str = "train") -> Sample:
    return sample_of(trained(), clothes(), 512, split=split)


def recipe(epochs: int = 2) -> Recipe:
    return Recipe(
        epochs=epochs,
        batch_size=50,
        optimizer="sgd",
        learning_rate=0.02,
        weight_decay=1e-4,
        epoch_steps=20,
        ema_decay=0.99,
        memory_format="channels_last",
        precision="float32",
    )


def assert_same_bits(one: Model, other: Model) -> None:
    assert one.network == other.network
    assert [key for key in one.weights if not torch.equal(one.weights[key], other.weights[key])] == []


class Stopping:
    """An observer that ends the process, as it were, after so many epochs."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def __call__(self, event: object, training: object) -> None:
        self.left -= type(event).__name__ == "EpochEnded"
        if not self.left:
            raise KeyboardInterrupt
