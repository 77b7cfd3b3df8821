from dataclasses import replace

import pytest

from convsmith import build, cost_of, create, models
from convsmith.errors import ShapeError, UsageError
from convsmith.transform.width import scale_width


def test_scaling_mobilenet_is_its_own_width_multiplier():
    for width in (0.25, 0.5, 0.75):
        scaled, own = scale_width(create("mobilenet_v1"), width), create(f"mobilenet_v1:{width}")
        assert scaled.nodes == own.nodes


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


def test_parameter_free_shortcuts_follow_the_width():
    assert scale_width(create("resnet20"), 0.5)["layer3.0.conv1"].op.channels == 32


def test_a_width_of_one_is_the_network_itself():
    net = create("resnet18")
    assert scale_width(net, 1) is net


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
