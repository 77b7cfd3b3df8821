"""Facts of Inception v2, v3, v4, Inception-ResNet and Xception."""

import pytest
import torch

from convsmith import build, cost_of, create
from convsmith.network.ops import AvgPool, BatchNorm, Scale


def sizes(net, *stages):
    """Output (channels, side) of the last layer of each stage."""
    last = {node.stage: node.name for node in net}
    return [net.shapes[last[stage]][:2] for stage in stages]


def test_v2_has_the_maps_of_figure_5():
    net = create("inception_v2")
    outputs = [net.shapes[f"stage{s}.{i}.concat1"][:2] for s, depth in ((3, 2), (4, 5), (5, 3)) for i in range(depth)]
    assert outputs == [(256, 28), (320, 28), *[(576, 14)] * 5, *[(1024, 7)] * 3]


def test_v2_begins_with_eight_maps_for_each_colour():
    net = create("inception_v2")
    assert (net["conv1"].op.groups, net["conv1"].op.channels) == (3, 24)
    assert create("inception_v2", input=(1, 32, 32))["conv1"].op.channels == 8


def test_v3_has_the_maps_of_table_1():
    net = create("inception_v3")
    assert sizes(net, "stem", "stage1", "stage2", "stage3") == [(192, 35), (288, 35), (768, 17), (2048, 8)]


def test_v3_has_the_papers_25_million_parameters_and_5_billion_operations_within_its_own_rounding():
    cost = cost_of(create("inception_v3", aux=0))
    assert cost.params < 25e6
    assert cost.macs == pytest.approx(5e9, rel=0.15)


def test_v3_has_one_head_that_vanishes_in_evaluation():
    module = build(create("inception_v3", classes=3, input=(1, 75, 75)))
    assert [tuple(output.shape) for output in module(torch.randn(2, 1, 75, 75))] == [(2, 3), (2, 3)]
    assert module.eval()(torch.randn(2, 1, 75, 75)).shape == (2, 3)
    assert create("timm/inception_v3").auxiliary == ()


def test_v4_has_the_maps_of_figures_3_to_9():
    net = create("inception_v4")
    assert sizes(net, "stem", "stage1", "stage2", "stage3") == [(384, 35), (384, 35), (1024, 17), (1536, 8)]
    assert [sum(f"stage{s}.{i}.concat1" in net.shapes for i in range(9)) for s in (1, 2, 3)] == [4, 8, 4]


@pytest.mark.parametrize(
    ("name", "maps"),
    [
        ("inception_resnet_v1", [256, 256, 896, 1792]),
        ("inception_resnet_v2", [384, 384, 1152, 2144]),
        ("inception_resnet_v2_slim", [320, 320, 1088, 2080]),
    ],
)
def test_inception_resnets_have_their_figures_maps(name, maps):
    found = sizes(create(name), "stem", "stage1", "stage2", "stage3")
    assert found == list(zip(maps, (35, 35, 17, 8), strict=True))


@pytest.mark.parametrize("name", ["inception_resnet_v1", "inception_resnet_v2"])
def test_every_residual_is_scaled_between_0_1_and_0_3(name):
    factors = [node.op.factor for node in create(name) if isinstance(node.op, Scale)]
    assert len(factors) == 5 + 10 + 5
    assert all(0.1 <= factor <= 0.3 for factor in factors)


def test_residual_networks_cost_about_what_the_plain_ones_do():
    macs = {name: cost_of(create(name)).macs for name in ("inception_v3", "inception_resnet_v1")}
    assert macs["inception_resnet_v1"] == pytest.approx(macs["inception_v3"], rel=0.1)


def test_libraries_differ_in_norms_and_pooling_as_their_dialects_say():
    def first(net, kind):
        return next(node.op for node in net if isinstance(node.op, kind))

    keras, torchvision = create("keras/InceptionV3"), create("torchvision/inception_v3")
    assert not first(keras, BatchNorm).scale
    assert first(torchvision, BatchNorm) == BatchNorm(eps=1e-3, momentum=0.1)
    assert not first(keras, AvgPool).count_padding
    assert first(torchvision, AvgPool).count_padding


def test_xception_has_the_papers_22_855_952_parameters():
    assert cost_of(create("xception")).params == 22_855_952


def test_xceptions_flows_have_the_maps_of_figure_5():
    net = create("xception")
    assert sizes(net, "entry", "middle", "exit") == [(728, 19), (728, 19), (2048, 10)]
    assert len({node.block for node in net if node.stage == "middle"}) == 8


def test_keras_pools_xception_unevenly_where_the_size_is_even():
    even = {name: create(name, input=(3, 128, 128)) for name in ("keras/Xception", "timm/legacy_xception")}
    assert even["keras/Xception"]["entry.0.pool1"].op.padding == "same"
    assert even["timm/legacy_xception"]["entry.0.pool1"].op.padding == (1, 1, 1, 1)
