import pytest
import torch

import convsmith
from convsmith.network.ops import Add, Conv, Linear


def test_with_the_residual_branch_at_zero_a_block_is_the_identity_after_relu():
    # Mission: the identity must be learnable: a[l+2] = g(a[l]).
    net = convsmith.create("resnet20", input=(3, 16, 16))
    module = convsmith.build(net).eval()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.startswith("layer1.1.bn2"):
                parameter.zero_()
    seen = {}
    module.get_submodule("layer1.0.relu2").register_forward_hook(lambda m, i, o: seen.update(before=o))
    module.get_submodule("layer1.1.relu2").register_forward_hook(lambda m, i, o: seen.update(after=o))
    module(torch.randn(2, 3, 16, 16))
    assert torch.equal(seen["after"], torch.relu(seen["before"]))


def test_cifar_shortcuts_have_no_parameters():
    net = convsmith.create("resnet20")
    assert not any("downsample" in name for name in net.parameters)


@pytest.mark.parametrize("depth", [20, 32, 44, 56])
def test_cifars_plain_networks_have_the_residual_ones_parameters_and_no_shortcut(depth):
    plain, residual = convsmith.create(f"plain{depth}"), convsmith.create(f"resnet{depth}")
    assert plain.parameters == residual.parameters
    assert not any(isinstance(node.op, Add) for node in plain)
    assert sum(isinstance(node.op, Conv | Linear) for node in plain) == depth
