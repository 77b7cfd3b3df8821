"""A small network trained for seconds on some of the pictures of clothes, and a recipe of few updates."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

import convsmith
from convsmith.compression import sample_of
from convsmith.data import open_dataset
from convsmith.data.dataset import Dataset
from convsmith.model import Model
from convsmith.network import Network, Preprocess, builder as nn
from convsmith.train import Recipe

torch.set_num_threads(1)

PREPROCESS = Preprocess(1, (14, 14), 14, (0.286,), (0.353,))

RECIPE = Recipe(
    epochs=1,
    batch_size=50,
    optimizer="sgd",
    learning_rate=0.02,
    weight_decay=1e-4,
    epoch_steps=6,
    memory_format="contiguous",
    precision="float32",
    compiled=False,
)


@cache
def clothes() -> Dataset:
    """1,500 pictures to train on, 400 to decide by, 400 to report."""
    whole = open_dataset("fashion-mini")

    def some(split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        found = whole.split(split)
        return np.stack([found.images[row] for row in range(count)]), found.labels[:count]

    images, labels = some("train", 1500)
    return Dataset.from_arrays(
        images, labels, whole.classes, splits={"val": some("val", 400), "test": some("test", 400)}, name="clothes"
    )


def network(classes: int = 10) -> Network:
    def family(x: nn.Tensor) -> nn.Tensor:
        x = nn.max_pool(nn.conv_norm_act(x, 16, 5), 2)
        return nn.linear(nn.relu(nn.linear(x, 40)), classes)

    return nn.write("little", (1, 14, 14), family)


@cache
def trained() -> Model:
    """About four of five of its answers are right."""
    net = network()
    start = Model(net, convsmith.build(net, 1).state_dict(), clothes().classes, PREPROCESS)
    sample, module = sample_of(start, clothes(), 1500), convsmith.build(net, 1)
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    torch.manual_seed(0)
    for _ in range(4):
        for rows in torch.randperm(len(sample)).split(50):
            loss = torch.nn.functional.cross_entropy(module(sample.images[rows]), sample.labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return Model(net, module.state_dict(), clothes().classes, PREPROCESS)


def assert_same_bits(one: Model, other: Model) -> None:
    assert one.network == other.network
    assert [key for key in one.weights if not torch.equal(one.weights[key], other.weights[key])] == []


class Counting:
    """An observer that counts trainings and epochs, and ends the process, as it were, after `stop` epochs."""

    def __init__(self, stop: int = 0) -> None:
        self.trainings, self.epochs, self.stop = 0, 0, stop
        self.lines: list[str] = []

    def __call__(self, event: object, training: object) -> None:
        kind = type(event).__name__
        self.trainings += kind == "Started"
        self.epochs += kind == "EpochEnded"
        if kind == "Noticed":
            self.lines.append(event.text)
        if kind == "EpochEnded" and self.epochs == self.stop:
            raise KeyboardInterrupt
