from __future__ import annotations

import os

import pytest
from torch import Tensor

import convsmith
from convsmith.network import Network

os.environ.setdefault("KERAS_BACKEND", "torch")


@pytest.fixture(scope="session")
def resnet() -> Network:
    return convsmith.create("torchvision/resnet18", classes=3)


@pytest.fixture(scope="session")
def mobilenet() -> Network:
    return convsmith.create("keras/MobileNet:0.25", classes=3)


@pytest.fixture(scope="session")
def states(resnet: Network, mobilenet: Network) -> dict[str, dict[str, Tensor]]:
    """Checkpoints of both, under the keys of their libraries, to be read only."""
    from convsmith.weights import to_library

    return {
        library: to_library(net, convsmith.build(net, 1).state_dict(), library)
        for library, net in (("torchvision", resnet), ("keras", mobilenet))
    }
