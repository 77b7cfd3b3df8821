import torch

from convsmith import build, cost_of
from convsmith.network.builder import write
from convsmith.zoo.blocks import squeeze_excite


def test_squeeze_and_excite_has_two_dense_layers_with_biases():
    net = write("se", (64, 9, 7), lambda x: squeeze_excite(x, 4))
    cost = cost_of(net)
    assert cost.params == 64 * 4 + 4 + 4 * 64 + 64
    assert cost.macs == 2 * 64 * 4
    assert net.shapes[net.output] == net.input


def test_every_channel_is_weighed_by_a_function_of_all_means():
    module = build(write("se", (6, 5, 4), lambda x: squeeze_excite(x, 3, function="silu", gate="hard_sigmoid")))
    x = torch.randn(2, 6, 5, 4)
    first, second = module.get_submodule("se.conv1"), module.get_submodule("se.conv2")
    hidden = torch.nn.functional.silu(x.mean((2, 3)) @ first.weight.flatten(1).T + first.bias)
    gates = torch.nn.functional.hardsigmoid(hidden @ second.weight.flatten(1).T + second.bias)
    assert torch.allclose(module(x), x * gates[:, :, None, None], atol=1e-6)
