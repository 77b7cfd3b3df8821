from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from convsmith import build, create
from convsmith.errors import UsageError
from convsmith.model import Model
from convsmith.model.net2net import deeper, wider
from convsmith.network import builder as nn
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess

WIDER = ("resnet20", "wrn_16_4", "mobilenet_v1", "mobilenet_v2", "efficientnet_b0", "squeezenet1_0", "densenet121")
DEEPER = ("resnet20", "wrn_16_4", "mobilenet_v1", "mobilenet_v2", "efficientnet_b0")


def trained(net: Network) -> Model:
    """A model whose every weight and statistic differs from what it was initialised to."""
    torch.manual_seed(0)
    # Variances of 1 stay near 1, and so positive.
    weights = {
        key: tensor + 0.02 * torch.randn_like(tensor) if tensor.is_floating_point() else tensor
        for key, tensor in build(net).state_dict().items()
    }
    channels, *size = net.input
    prepare = Preprocess(
        channels=channels, crop=tuple(size), resize=size[0], mean=(0.5,) * channels, std=(1,) * channels
    )
    return Model(net, weights, tuple(map(str, range(net.classes))), prepare)


def of_the_zoo(name: str) -> Model:
    return trained(create(name, classes=10, input=(3, 32, 32)))


def apart(one: Model, other: Model) -> float:
    images = torch.randn(4, *one.network.input, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        before, after = one.module()(images), other.module()(images)
    return float((before - after).abs().max() / before.abs().max())


def plain(x: nn.Tensor) -> nn.Tensor:
    for maps in (12, 12, 24, 24):
        x = nn.relu(nn.batch_norm(nn.conv(x, maps, 3)))
    return nn.linear(nn.flatten(x), 5)


@pytest.mark.parametrize("name", WIDER)
def test_a_wider_network_gives_the_same_outputs(name):
    model = of_the_zoo(name)
    grown = wider(model, 2)
    assert apart(model, grown) < 1e-4
    assert sum(t.numel() for t in grown.weights.values()) > 1.5 * sum(t.numel() for t in model.weights.values())


@pytest.mark.parametrize("name", DEEPER)
def test_a_deeper_network_gives_the_same_outputs(name):
    model = of_the_zoo(name)
    grown = deeper(model, 2)
    assert apart(model, grown) < 1e-4
    assert len(grown.network) > 1.3 * len(model.network)


@pytest.mark.parametrize("grow", [wider, deeper])
def test_a_users_own_network_gives_the_same_outputs(grow: Callable[[Model, float], Model]):
    model = trained(nn.write("plain", (3, 12, 12), plain))
    assert apart(model, grow(model, 2)) < 1e-4


def test_wider_and_deeper_at_once_give_the_same_outputs():
    model = of_the_zoo("resnet20")
    assert apart(model, deeper(wider(model, 1.5), 1.5)) < 1e-4


def test_copies_do_not_stay_equal_in_training():
    model = trained(nn.write("plain", (3, 12, 12), plain))
    module = wider(model, 2).module().train()
    first = module.get_parameter("conv1.weight")
    assert torch.equal(first[:12], first[12:])
    loss = torch.nn.functional.cross_entropy(module(torch.randn(8, 3, 12, 12)), torch.arange(8) % 5)
    loss.backward()
    assert first.grad is not None
    assert not torch.allclose(first.grad[:12], first.grad[12:], rtol=1e-2)


def test_every_new_block_learns():
    module = deeper(of_the_zoo("resnet20"), 2).module().train()
    torch.nn.functional.cross_entropy(module(torch.randn(8, 3, 32, 32)), torch.arange(8)).backward()
    assert all(module.get_parameter(f"layer2.{i}.bn2.weight").grad.abs().sum() > 0 for i in (3, 4, 5))


def test_the_seed_decides_the_parts():
    model = of_the_zoo("resnet20")
    first, same, other = (wider(model, 2, seed).weights["layer1.0.conv2.weight"] for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_a_dense_block_cannot_be_the_identity():
    with pytest.raises(UsageError, match=r"stage4\.16\.conv1: a new conv here cannot give what it gets"):
        deeper(of_the_zoo("densenet121"), 2)


def test_activations_that_change_positive_values_are_refused():
    net = nn.write("smooth", (3, 8, 8), lambda x: nn.linear(nn.flatten(block(block(x))), 3))
    with pytest.raises(UsageError, match="weights cannot be carried over"):
        deeper(trained(net), 2)


def block(x: nn.Tensor) -> nn.Tensor:
    return nn.activation(nn.conv(x, 8, 3), "silu")


def test_channels_across_a_local_response_norm_are_refused_by_the_layer():
    with pytest.raises(UsageError, match=r"conv\d+: its channels cannot be copied"):
        wider(trained(create("googlenet", classes=10, input=(3, 64, 64))), 2)


@pytest.mark.parametrize("grow", [wider, deeper])
def test_a_smaller_network_is_refused(grow: Callable[[Model, float], Model]):
    with pytest.raises(UsageError, match="must be at least 1"):
        grow(of_the_zoo("resnet20"), 0.5)


def test_measured_figures_are_not_carried_over():
    model = replace(of_the_zoo("resnet20"), metrics={"accuracy": 0.9})
    assert not wider(model, 2).metrics
