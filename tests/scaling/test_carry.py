"""Scaled networks that start from a trained one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from convsmith import build, create
from convsmith.errors import UsageError
from convsmith.model import Model
from convsmith.network.preprocess import Preprocess
from convsmith.scaling.carry import Carried, carried
from convsmith.transform.compound import EFFICIENTNET, Factors, scale_network


def model_of(name: str, side: int = 32) -> Model:
    torch.manual_seed(0)
    net = create(name, classes=10, input=(1, side, side))
    weights = {
        key: tensor + 0.02 * torch.randn_like(tensor) if tensor.is_floating_point() else tensor
        for key, tensor in build(net).state_dict().items()
    }
    return Model(net, weights, tuple("0123456789"), Preprocess(1, (side, side), side, (0.5,), (0.25,)))


def made(model: Model, factors: Factors) -> Carried:
    return carried(model, factors, scale_network(model.network, factors))


def outputs(model: Model, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.module()(images)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v1:0.25", "mobilenet_v2:0.35"])
def test_a_deeper_and_wider_network_gives_the_same_outputs(name: str) -> None:
    model = model_of(name, 64)
    found = made(model, replace(EFFICIENTNET.at(2), resolution=1.0))
    images = torch.randn(2, *model.network.input)
    before, after = outputs(model, images), outputs(found.model, images)
    assert found.same_outputs
    assert (before - after).abs().max() <= 1e-4 * before.abs().max()
    assert len(found.model.network) > len(model.network)


def test_a_larger_image_is_seen_with_the_same_weights() -> None:
    model = model_of("resnet20")
    found = made(model, Factors(resolution=1.25))
    assert not found.same_outputs
    assert "outputs differ because images are 40 pixels high" in found.how
    assert found.model.preprocess.crop == found.model.network.input[1:] == (40, 40)
    assert all(torch.equal(tensor, model.weights[key]) for key, tensor in found.model.weights.items())


def test_a_dense_layer_on_a_map_cannot_see_a_larger_image() -> None:
    with pytest.raises(UsageError, match="cannot take images of 40x40 with its weights"):
        made(model_of("lenet5"), Factors(resolution=1.25))


def test_a_smaller_network_is_refused() -> None:
    with pytest.raises(UsageError, match="is smaller than the trained one"):
        made(model_of("resnet20"), Factors(width=0.5))


@pytest.mark.parametrize(("name", "layer"), [("densenet121", r"stage\d\.\d+\.conv1"), ("squeezenet1_0", r"fire\S+")])
def test_a_block_that_cannot_be_the_identity_is_refused_by_its_layer(name: str, layer: str) -> None:
    with pytest.raises(UsageError, match=rf"{layer}: a new conv here cannot give what it gets"):
        made(model_of(name, 64), Factors(depth=1.2))
