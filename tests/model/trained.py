"""Small networks trained for a few seconds on the bundled pictures of clothes, so that rounding has something to lose."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

import convsmith
from convsmith.backend.preprocess import PreprocessModule
from convsmith.data import open_dataset
from convsmith.data.dataset import Split
from convsmith.model import Model
from convsmith.network import Preprocess

PREPROCESS = Preprocess(1, (28, 28), 28, (0.286,), (0.353,))
IMAGES = 2000


@cache
def prepared(split: str) -> tuple[Tensor, Tensor]:
    """Images float32 (N, 1, 28, 28) as the networks see them, and labels."""
    found: Split = open_dataset("fashion-mini").split(split)
    count = min(IMAGES, len(found))
    prepare = PreprocessModule(PREPROCESS)
    images = [prepare(torch.as_tensor(found.images[i])) for i in range(count)]
    return torch.cat(images), torch.as_tensor(found.labels[:count]).long()


@cache
def trained(name: str, epochs: int = 2) -> Model:
    """A network of the zoo, trained by Adam; about 80% right."""
    dataset = open_dataset("fashion-mini")
    net = convsmith.create(name, classes=len(dataset.classes), input=(1, 28, 28))
    torch.manual_seed(0)
    module = convsmith.build(net)
    optimizer = torch.optim.Adam(module.parameters(), 2e-3)
    images, labels = prepared("train")
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(50):
            loss = torch.nn.functional.cross_entropy(module(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return Model(net, module.state_dict(), dataset.classes, PREPROCESS)
