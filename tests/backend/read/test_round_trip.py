"""Every network of the zoo, built and read again: the same weights by name, cost, shapes and logits."""

from __future__ import annotations

import pytest
import torch

import convsmith
from convsmith.backend.read import read
from convsmith.errors import ShapeError
from convsmith.network import Network

CLASSES = 10
QUICK = (
    "densenet40_k12", "efficientnet_b0", "googlenet", "lenet5", "lenet5_1998",
    "lenet5_caffe", "lenet_300_100", "plain18", "resnet20", "resnet50_v1_5", "se_resnet18", "mnasnet_a1",
    "shufflenet_v2_x0_5", "squeezenet1_0_complex_bypass", "wrn_16_4", "keras/MobileNetV2",
    "timm/tf_efficientnet_lite0",
)  # fmt: skip
"""One network for each family, and for each dialect's peculiarities."""
SIDES = (32, 48, 64, 96, 128, 192, 224, 299)

DEEP = 2000
"""Layers beyond which activations overflow where the norms' statistics are near 1: in ResNet-1202 alone."""


def smallest(name: str) -> Network:
    """The network for the smallest side that it can take; LeNets and the like for their own."""
    own = convsmith.create(name, classes=CLASSES)
    for side in SIDES:
        if side < own.input[1]:
            try:
                return convsmith.create(name, classes=CLASSES, input=(own.input[0], side, side))
            except ShapeError:
                continue
    return own


def check(net: Network) -> None:
    built = convsmith.build(net, 3)
    calm = 16 if len(net.nodes) > DEEP else 1
    for key, buffer in built.named_buffers():
        if key.endswith("running_mean"):
            buffer.uniform_(-0.2, 0.2)
        elif key.endswith("running_var"):
            buffer.uniform_(0.5 * calm, 1.5 * calm)
    found = read(built, net.input)
    assert found.weights.keys() == net.parameters.keys()
    assert all(torch.equal(tensor, built.state_dict()[key]) for key, tensor in found.weights.items())
    before, after = convsmith.cost_of(net), convsmith.cost_of(found.network)
    for figure in ("params", "buffers", "macs", "flops", "activations"):
        assert getattr(after, figure) == getattr(before, figure)
    assert all(found.network.shapes[node.name] == net.shapes[node.name] for node in net if net.parameters_of(node))
    assert len(found.network.auxiliary) == len(net.auxiliary)
    noise = [[(n.op.kind, n.op.p) for n in x if n.op.training_only and n.op.p] for x in (found.network, net)]
    assert noise[0] == noise[1]
    again = convsmith.build(found.network).eval()
    again.load_state_dict(found.weights)
    image = torch.rand(1, *net.input, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = built.eval()(image)
        assert expected.isfinite().all()
        torch.testing.assert_close(again(image), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", QUICK)
def test_a_network_of_each_family_comes_back(name: str) -> None:
    check(smallest(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in convsmith.models() if name not in QUICK])
def test_every_other_network_comes_back(name: str) -> None:
    check(smallest(name))
