import pytest
import torch

from convsmith import build, cost_of, create
from convsmith.network.builder import add, conv, linear, max_pool, relu, write
from convsmith.transform.reorder import pool_before_rectifier


def trained(net, images):
    module = build(net, seed=1).train()
    outputs = module(images)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    sum(output.square().sum() for output in outputs).backward()
    return outputs, {name: p.grad for name, p in module.named_parameters()}


@pytest.mark.parametrize("name", ["lenet5", "resnet18", "squeezenet1_1"])
def test_outputs_and_gradients_are_the_same_bits(name):
    net = create(name, classes=3, input=(3, 32, 32) if name == "lenet5" else (3, 64, 64))
    images = torch.randn(2, *net.input, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(2)
    outputs, gradients = trained(net, images)
    torch.manual_seed(2)  # the same units are dropped
    same_outputs, same_gradients = trained(pool_before_rectifier(net), images)
    assert all(torch.equal(a, b) for a, b in zip(outputs, same_outputs, strict=True))
    assert gradients.keys() == same_gradients.keys()
    assert all(torch.equal(gradients[key], same_gradients[key]) for key in gradients)


def test_the_rectifier_works_on_fewer_elements():
    net = create("lenet5", input=(1, 28, 28))
    assert [node.op.kind for node in net][:4] == ["conv", "activation", "max_pool", "conv"]
    moved = pool_before_rectifier(net)
    assert [node.op.kind for node in moved][:4] == ["conv", "max_pool", "activation", "conv"]
    assert moved.parameters == net.parameters
    assert cost_of(moved).macs == cost_of(net).macs
    assert cost_of(moved).flops < cost_of(net).flops


def test_a_rectifier_that_others_read_stays():
    def shared(image):
        x = relu(conv(image, 4, 3))
        return linear(add(max_pool(x, 1), x), 2)

    net = write("shared", (1, 8, 8), shared)
    assert pool_before_rectifier(net) == net


def test_a_network_that_ends_in_the_pooling_ends_in_the_rectifier():
    net = write("ends", (1, 8, 8), lambda image: max_pool(relu(conv(image, 4, 3)), 8))
    assert pool_before_rectifier(net).output == "relu1"
