"""Batch norms folded into convolutions give the same answers."""

from __future__ import annotations

import pytest
import torch

import convsmith
from convsmith.model import Model, fuse_norm
from convsmith.network import Network, Preprocess, builder as nn, ops
from convsmith.network.storage import IntegerStorage, with_storage
from convsmith.transform import fuse_norm as transform


def trained_on_noise(net: Network) -> Model:
    """A model whose norms have statistics and weights away from 0 and 1."""
    module = convsmith.build(net, 1)
    generator = torch.Generator().manual_seed(0)
    state = module.state_dict()
    for name, tensor in state.items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=generator)
        elif tensor.ndim == 1 or name.endswith("gain"):
            tensor.uniform_(-0.5, 1.5, generator=generator)
    classes = tuple(f"class {i}" for i in range(net.classes))
    channels = net.input[0]
    return Model(net, state, classes, Preprocess(channels, net.input[1:], 8, (0.5,) * channels, (0.5,) * channels))


def grouped_transpose_and_norm(x: nn.Tensor) -> nn.Tensor:
    """A norm without a bias behind a transposed convolution in two groups."""
    x = x.builder.add("up", ops.ConvTranspose(6, (3, 2), (1, 2), groups=2), (x,), None, None)
    return x.builder.add("norm", ops.BatchNorm(bias=False), (x,), None, None)


def family(x: nn.Tensor) -> nn.Tensor:
    """Every convolution that a norm is folded into, and norms that cannot be."""
    x = nn.batch_norm(nn.conv(x, 6, 3))
    x = nn.relu(nn.batch_norm(nn.conv(x, 6, 3, groups=6, bias=False), scale=False))
    x = nn.batch_norm(nn.conv_transpose(x, 4, 2, 2))
    x = grouped_transpose_and_norm(x)
    x = nn.batch_norm(nn.standardized_conv(x, 4, 3))
    read_twice = nn.conv(x, 4, 1, name="read_twice")
    x = nn.add(nn.batch_norm(read_twice, name="after_read_twice"), read_twice)
    x = nn.batch_norm(nn.relu(x), name="after_relu")
    first = nn.conv(x, 4, 1, name="owner")
    x = nn.batch_norm(nn.again(first, first), name="after_shared")
    return nn.linear(nn.batch_norm(nn.linear(nn.global_avg_pool(x), 7)), 5)


NETWORKS = {
    "every kind": nn.write("fused", (3, 8, 9), family),
    "resnet20": convsmith.create("resnet20", classes=4, input=(3, 16, 16)),
    "mobilenet_v2": convsmith.create("mobilenet_v2", classes=4, input=(3, 64, 64)),
    "googlenet_bn": convsmith.create("googlenet_bn", classes=4, input=(3, 224, 224)),
    "keras/ResNet50": convsmith.create("keras/ResNet50", classes=4, input=(3, 64, 64)),
}


@pytest.mark.parametrize("case", NETWORKS)
def test_a_fused_model_answers_as_before(case):
    model = trained_on_noise(NETWORKS[case])
    images = torch.randn(2, *model.network.input)
    with torch.inference_mode():
        before, after = model.module()(images), fuse_norm(model).module()(images)
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4 * float(before.abs().max()))


def test_every_norm_of_a_resnet_is_folded():
    fused = transform.fuse_norm(NETWORKS["resnet20"])
    assert not any(isinstance(node.op, ops.BatchNorm) for node in fused)
    assert all(node.op.bias for node in fused if isinstance(node.op, ops.Conv))


def test_standardised_filters_become_plain_ones():
    fused = transform.fuse_norm(NETWORKS["every kind"])
    assert not any(isinstance(node.op, ops.StandardizedConv) for node in fused)
    assert not any(key.endswith(".gain") for key in fused.parameters)


def test_a_norm_stays_where_its_convolution_is_read_twice_shared_or_missing():
    left = {node.name for node in transform.fuse_norm(NETWORKS["every kind"]) if isinstance(node.op, ops.BatchNorm)}
    assert left == {"after_read_twice", "after_relu", "after_shared"}


def test_a_norm_at_the_end_makes_its_convolution_the_output():
    net = nn.write("end", (1, 4, 4), lambda x: nn.batch_norm(nn.conv(x, 2, 3, name="last")))
    assert transform.fuse_norm(net).output == "last"


def test_folded_filters_are_no_longer_on_their_grid():
    net = NETWORKS["resnet20"]
    stored = with_storage(net, {"conv1.weight": IntegerStorage(8, 0), "fc.weight": IntegerStorage(8, 0)})
    assert [key for key, _ in transform.fuse_norm(stored).storage] == ["fc.weight"]
