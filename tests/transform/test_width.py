from dataclasses import replace

import pytest

from convsmith import build, cost_of, create, models
from convsmith.errors import ShapeError, UsageError
from convsmith.network import builder as nn, ops
from convsmith.network.init import Init
from convsmith.transform.width import scale_width


def test_scaling_mobilenet_is_its_own_width_multiplier():
    for width in (0.25, 0.5, 0.75):
        scaled, own = scale_width(create("mobilenet_v1"), width), create(f"mobilenet_v1:{width}")
        assert scaled.nodes == own.nodes


@pytest.mark.parametrize("width", [1.4, 2.0])
def test_scaling_mobilenet_v2_is_its_own_width_multiplier(width):
    """Below 1 the authors keep the last layer as it is."""
    assert scale_width(create("mobilenet_v2"), width).nodes == create("mobilenet_v2", width=width).nodes


def test_squeeze_and_excitation_keeps_its_reduction():
    for name in ("se_resnet50", "efficientnet_b0"):
        net = create(name)
        scaled = scale_width(net, 0.6)
        for node in net:
            if node.name.endswith("se.conv1"):
                before, after = (n[node.name].op.channels / n.inputs_of(n[node.name])[0][0] for n in (net, scaled))
                assert after == pytest.approx(before, rel=0.15), node.name


def test_what_a_grouped_convolution_reads_is_a_multiple_of_its_groups():
    scaled = scale_width(create("resnext50_32x4d"), 0.55)
    assert scaled["layer1.0.conv1"].op.channels % 32 == 0
    assert cost_of(scaled).macs < cost_of(create("resnext50_32x4d")).macs


UNFIT = ("lenet5_1998", "nasnet_mobile", "nasnet_large")
"""Networks whose layers no longer fit one another at another width."""


@pytest.mark.parametrize("name", [n for n in models() if "/" not in n and n not in UNFIT])
def test_half_the_width_is_about_a_quarter_of_the_cost(name):
    net = create(name)
    ratio = cost_of(scale_width(net, 0.5)).macs / cost_of(net).macs
    assert 0.2 < ratio < 0.56


def test_the_output_keeps_its_classes_and_the_scaled_network_runs():
    import torch

    net = scale_width(create("mobilenet_v2", classes=7, input=(3, 32, 32)), 0.35)
    assert build(net).eval()(torch.randn(1, 3, 32, 32)).shape == (1, 7)


def test_a_classifier_before_the_last_pooling_keeps_its_classes():
    assert scale_width(create("squeezenet1_0", classes=7), 0.5).classes == 7


def test_parameter_free_shortcuts_follow_the_width():
    assert scale_width(create("resnet20"), 0.5)["layer3.0.conv1"].op.channels == 32


def test_a_width_of_one_is_the_network_itself():
    net = create("resnet18")
    assert scale_width(net, 1) is net


def convnext(x: nn.Tensor) -> nn.Tensor:
    """A stem and two of ConvNeXt's blocks: dense layers over (H, W, C), and a trained scale for each channel."""
    x = nn.layer_norm(nn.conv(x, 32, 4, 4, padding=(0, 0, 0, 0)))
    for _ in range(2):
        y = nn.permute(nn.conv(x, x.channels, 7, groups=x.channels), (1, 2, 0))
        y = nn.apply(ops.Linear(128), nn.layer_norm(y, (2,)))
        y = nn.apply(ops.Linear(32), nn.activation(y, "gelu"))
        x = nn.add(x, nn.layer_scale(nn.permute(y, (2, 0, 1)), 1e-6))
    return nn.linear(nn.global_avg_pool(x), 5)


def shuffled(x: nn.Tensor) -> nn.Tensor:
    """ShuffleNet's shuffle, written out, and group norm whose groups do not divide the scaled width."""
    x = nn.group_norm(nn.conv(x, 96, 3), 32)
    x = nn.reshape(nn.permute(nn.reshape(x, (4, 24, 16, 16)), (1, 0, 2, 3)), (96, 16, 16))
    x = nn.apply(ops.ConvTranspose(96, (2, 2), (2, 2), groups=96), nn.apply(ops.PReLU(), x))
    return nn.linear(nn.global_avg_pool(x), 5)


def attending(x: nn.Tensor) -> nn.Tensor:
    """Attention among positions, and a dense layer that mixes them."""
    x = nn.conv(x, 32, 3, 4)
    q, k, v = (nn.apply(ops.Flatten(1), nn.conv(x, 32, 1)) for _ in range(3))
    weights = nn.softmax(nn.matmul(nn.permute(q, (1, 0)), k), 1)
    y = nn.matmul(v, nn.permute(weights, (1, 0)))
    y = nn.apply(ops.Linear(16), nn.apply(ops.Linear(64), y))
    x = nn.add(x, nn.reshape(y, (32, 4, 4)))
    gate = nn.apply(ops.Expand((32, 4, 4)), nn.activation(nn.channel_mean(x), "sigmoid"))
    return nn.linear(nn.global_avg_pool(nn.multiply(x, gate)), 5)


@pytest.mark.parametrize("family", [convnext, shuffled, attending])
@pytest.mark.parametrize("factor", [0.25, 0.5, 1.5])
def test_layers_of_any_shape_follow_the_width(family, factor):
    import torch

    net = nn.write(family.__name__, (3, 16, 16), family)
    scaled = scale_width(net, factor)
    assert build(scaled).eval()(torch.randn(1, 3, 16, 16)).shape == (1, 5)
    assert (cost_of(scaled).params < cost_of(net).params) == (factor < 1)


def test_a_constant_has_the_sides_of_what_it_is_applied_to():
    scaled = scale_width(nn.write("convnext", (3, 16, 16), convnext), 0.5)
    assert scaled["constant1"].op == ops.Constant((16, 1, 1), init=Init("constant", 1e-6))


def test_the_channels_of_a_group_change_and_not_their_groups():
    scaled = scale_width(nn.write("shuffled", (3, 16, 16), shuffled), 0.5)
    assert scaled["reshape1"].op.size == (4, 12, 16, 16)
    assert scaled["gn1"].op.groups == 16


def test_dense_layers_over_positions_keep_their_size():
    scaled = scale_width(nn.write("attending", (3, 16, 16), attending), 0.5)
    assert [scaled[name].op.features for name in ("linear1", "linear2", "fc1")] == [64, 16, 5]


def test_what_cannot_be_scaled_says_why():
    with pytest.raises(ShapeError, match="C3: the connection table"):
        scale_width(create("lenet5_1998"), 0.5)
    # Its two half-wide paths are rounded each on its own.
    with pytest.raises(ShapeError, match=r"stage3\.1\.add3: cannot add 88x7x7 and 96x7x7"):
        scale_width(create("nasnet_mobile"), 0.5)
    with pytest.raises(UsageError, match="above 0"):
        scale_width(create("resnet18"), 0)


def test_a_scaled_network_says_that_it_is_no_longer_what_its_name_says():
    net = create("torchvision/mobilenet_v2")
    half = scale_width(net, 0.5)
    assert net.origin.as_named
    assert not half.origin.as_named
    assert (half.origin.family, half.origin.setting("scale_width")) == ("mobilenet_v2", 0.5)
    assert scale_width(half, 0.5).origin.setting("scale_width") == 0.25


def test_a_network_of_unknown_origin_is_scaled_too():
    assert scale_width(replace(create("resnet18"), origin=None), 0.5).origin is None
