import pytest
import torch

from convsmith import build, cost_of, create, models
from convsmith.zoo import find

WITH_FIGURES = [
    name
    for pattern in ("wrn_*", "wide_resnet*")
    for name in models(pattern)
    if find(name)[0].published.params_m is not None
]


@pytest.mark.parametrize("name", WITH_FIGURES)
def test_wide_resnets_have_the_parameters_of_tables_4_7_and_8(name):
    assert round(cost_of(create(name)).params / 1e6, 1) == find(name)[0].published.params_m


def test_tables_4_7_and_8_have_16_networks():
    assert len(WITH_FIGURES) == 16


@pytest.mark.parametrize(("depth", "widen", "blocks"), [(16, 8, 2), (28, 10, 4), (40, 4, 6)])
def test_cifar_stages_have_n_blocks_at_16k_32k_and_64k_maps(depth, widen, blocks):
    net = create(f"wrn_{depth}_{widen}")
    outputs = [net.shapes[f"layer{stage}.{blocks - 1}.add1"] for stage in (1, 2, 3)]
    assert outputs == [(16 * widen, 32, 32), (32 * widen, 16, 16), (64 * widen, 8, 8)]
    assert f"layer1.{blocks}.add1" not in net.shapes
    # The depth counts 3x3 convolutions and the three projections; the dense layer does not count.
    assert sum(node.op.kind == "conv" for node in net) == depth


def test_an_unwidened_first_stage_needs_no_projection():
    projected = {node.stage for node in create("wrn_40_1") if "downsample" in node.name}
    assert projected == {"layer2", "layer3"}


def test_dropout_stands_between_the_convolutions_of_every_residual():
    net = create("wrn_16_4", drop=0.3)
    places = [node for node in net if node.op.kind == "dropout"]
    assert len(places) == 6
    assert all(node.op.p == 0.3 and node.inputs[0].endswith("relu2") for node in places)
    assert not any(node.op.kind == "dropout" for node in create("wrn_16_4"))


def test_a_residual_at_zero_leaves_its_input_as_it_is():
    module = build(create("wrn_16_4", widen=1, input=(3, 8, 8))).eval()
    with torch.no_grad():
        module.get_submodule("layer1.1.conv2").weight.zero_()
    seen = {}
    module.get_submodule("layer1.1.bn1").register_forward_hook(lambda m, i, o: seen.update(before=i[0]))
    module.get_submodule("layer2.0.bn1").register_forward_hook(lambda m, i, o: seen.update(after=i[0]))
    module(torch.randn(2, 3, 8, 8))
    assert torch.equal(seen["after"], seen["before"])


def test_a_wide_bottleneck_is_wide_inside_only():
    wide, plain = create("wide_resnet50_2"), create("resnet50_v1_5")
    assert wide.shapes["layer3.2.conv2"][0] == 2 * plain.shapes["layer3.2.conv2"][0] == 512
    assert wide.shapes["layer3.2.conv3"] == plain.shapes["layer3.2.conv3"]
