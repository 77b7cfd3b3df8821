"""A network in ONNX Runtime as a torch module gives what PyTorch gives."""

from __future__ import annotations

import pytest
import torch

import convsmith
from convsmith.backend.runtime.module import OnnxModule
from convsmith.backend.torch import build
from convsmith.evaluation.features import part_of
from convsmith.evaluation.inference import answers
from convsmith.model import Model, round_weights
from convsmith.network import Preprocess
from convsmith.network.network import Network
from convsmith.network.storage import IntegerStorage
from convsmith.transform.part import trunk_and_head, up_to

NETWORKS = ("lenet5", "resnet20", "densenet40_k12", "efficientnet_lite0", "shufflenet_v2_x0_5", "squeezenet1_1")


def both(net: Network) -> tuple[torch.nn.Module, OnnxModule]:
    module = build(net, seed=1).eval()
    weights = {key: value.numpy() for key, value in module.state_dict().items() if key in net.parameters}
    return module, OnnxModule(net, weights)


@pytest.mark.parametrize("name", NETWORKS)
def test_trunks_give_the_same_in_batches_of_any_size(name: str) -> None:
    net = convsmith.create(name)
    torch_module, onnx_module = both(trunk_and_head(net)[0])
    images = torch.randn(3, *net.input)
    with torch.inference_mode():
        expected = answers(torch_module, images)
        for count in (3, 1):
            torch.testing.assert_close(answers(onnx_module, images[:count]), expected[:count], rtol=1e-3, atol=1e-4)


def test_a_layer_in_the_middle_gives_its_maps() -> None:
    torch_module, onnx_module = both(up_to(convsmith.create("resnet20"), "conv1"))
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        maps = onnx_module(images.to(memory_format=torch.channels_last))
        assert maps.shape == (2, 16, 32, 32)
        torch.testing.assert_close(maps, torch_module(images), rtol=1e-4, atol=1e-5)


def test_features_of_a_model_are_computed_in_it_and_those_of_few_bits_in_torch() -> None:
    net = convsmith.create("lenet5_caffe", classes=2)
    model = Model(net, build(net, seed=1).state_dict(), ("a", "b"), Preprocess(1, (28, 28), 28, (0.5,), (0.5,)))
    trunk = trunk_and_head(net)[0]
    assert isinstance(part_of(model, trunk), OnnxModule)
    integers = round_weights(model, {"conv1.weight": IntegerStorage(8)})
    assert not isinstance(part_of(integers, trunk), OnnxModule)
