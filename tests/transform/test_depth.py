from dataclasses import replace
from math import ceil

import pytest
from hypothesis import given, settings, strategies as st

from convsmith import build, cost_of, create, models
from convsmith.errors import UsageError
from convsmith.network import builder as nn
from convsmith.network.network import Network
from convsmith.transform.depth import repeatable_stages, scale_depth, with_blocks
from convsmith.transform.width import scale_width
from convsmith.zoo.searched.efficientnet import SCALES

WITHOUT_BLOCKS = ("lenet5", "lenet5_1998", "lenet5_caffe", "lenet_300_100", "nasnet_mobile", "nasnet_large", "unet")
"""Every layer changes the shape, or cells read two cells back, or the decoder reads the encoder."""

FAMILIES = ("vgg11", "resnet18", "resnet50", "mobilenet_v1", "mobilenet_v2", "squeezenet1_0", "densenet121")


def lengths(net: Network) -> list[int]:
    return [len(stage) for stage in repeatable_stages(net)]


def test_resnet20_three_times_as_deep_is_resnet56():
    assert scale_depth(create("resnet20"), 3).nodes == create("resnet56").nodes


def test_resnet56_at_a_third_is_resnet20():
    assert scale_depth(create("resnet56"), 1 / 3).nodes == create("resnet20").nodes


def test_resnet34_with_resnet18s_counts_is_resnet18():
    net = create("resnet34")
    for stage in reversed(repeatable_stages(net)):
        net = with_blocks(net, stage, 2)
    assert net.nodes == create("resnet18").nodes


def test_stages_of_resnet50_are_the_papers():
    assert lengths(create("resnet50")) == [3, 4, 6, 3]


def test_mobilenet_v1_repeats_depthwise_and_pointwise_together():
    assert lengths(create("mobilenet_v1")) == [1, 2, 2, 6, 2]


@pytest.mark.parametrize("name", ["b1", "b2", "b3", "b4", "b5", "b6", "b7"])
def test_efficientnet_b0_at_the_authors_coefficients_is_each_larger_one(name):
    width, depth, side, _ = SCALES[name]
    larger = create(f"efficientnet_{name}")
    scaled = replace(scale_width(scale_depth(create("efficientnet_b0"), depth), width), input=(3, side, side))
    assert [node.op for node in scaled.inference] == [node.op for node in larger.inference]
    assert scaled.parameters.keys() == larger.parameters.keys()


def test_mobilenet_v2_repeats_its_single_blocks_with_a_shortcut():
    net = scale_depth(create("mobilenet_v2"), 1.1)
    assert lengths(net) == [2, 3, 4, 5, 4, 4, 2]
    assert net["stage7.1.add1"].inputs == ("stage7.0.bn3", "stage7.1.bn3")
    assert [net[f"stage7.1.conv{i}"].op.channels for i in (1, 2, 3)] == [6 * 320, 6 * 320, 320]


def test_vgg11_with_a_second_convolution_of_128_is_vgg13s_second_stage():
    net = create("vgg11")
    stage = repeatable_stages(net)[0]
    longer = with_blocks(net, stage, 2)
    assert [node.op for node in longer if node.name.startswith("block2")] == [
        node.op for node in create("vgg13") if node.name.startswith("block2")
    ]


def small(x: nn.Tensor) -> nn.Tensor:
    """A residual network with one block a stage, each with a projection but the first."""
    x = nn.relu(nn.batch_norm(nn.conv(x, 8, 3)))
    for maps in (8, 16, 32):
        y = nn.relu(nn.batch_norm(nn.conv(x, maps, 3, 1 if maps == 8 else 2)))
        y = nn.batch_norm(nn.conv(y, maps, 3))
        x = nn.relu(nn.add(y, x if maps == 8 else nn.batch_norm(nn.conv(x, maps, 1, 2))))
    return nn.linear(nn.global_avg_pool(x), 3)


def test_a_projection_is_repeated_as_an_identity():
    net = scale_depth(nn.write("small", (3, 16, 16), small), 2)
    assert lengths(net) == [2, 2, 2]
    sums = [node for node in net if node.op.kind == "add"]
    shortcuts = [net[node.inputs[1]].op.kind for node in sums]
    assert sorted(shortcuts) == ["activation"] * 4 + ["batch_norm"] * 2


def test_counts_are_rounded_up():
    assert lengths(scale_depth(create("resnet50"), 1.2)) == [4, 5, 8, 4]


def test_a_product_that_is_whole_is_not_rounded_up():
    assert lengths(scale_depth(create("resnet20"), 1 / 3 + 1 / 3)) == [2, 2, 2]


@pytest.mark.parametrize("name", FAMILIES)
def test_twice_as_deep_and_half_of_that_is_the_network_itself(name):
    net = create(name)
    assert scale_depth(scale_depth(net, 2), 0.5).nodes == net.nodes


@pytest.mark.parametrize("name", FAMILIES)
def test_deeper_costs_more_and_shallower_less(name):
    net = create(name)
    assert cost_of(scale_depth(net, 0.5)).macs < cost_of(net).macs < cost_of(scale_depth(net, 2)).macs


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in models() if "/" not in n and n not in WITHOUT_BLOCKS])
@pytest.mark.parametrize("factor", [0.5, 1.4, 2])
def test_every_network_of_the_zoo_is_valid_at_another_depth(name, factor):
    scaled = scale_depth(create(name), factor)
    assert Network.from_json(scaled.to_json()) == scaled


@pytest.mark.parametrize("name", WITHOUT_BLOCKS)
def test_a_network_without_such_blocks_is_refused_by_name(name):
    with pytest.raises(UsageError, match=f"{name} has no block that can be repeated"):
        scale_depth(create(name), 2)


@pytest.mark.parametrize("factor", [0, -1, float("nan")])
def test_a_factor_that_is_not_positive_is_refused(factor):
    with pytest.raises(UsageError, match="must be above 0"):
        scale_depth(create("resnet20"), factor)


def test_names_follow_the_neighbours():
    new = {node.name for node in scale_depth(create("resnet20"), 2)} - {node.name for node in create("resnet20")}
    assert {name.rpartition(".")[0] for name in new} == {f"layer{s}.{i}" for s in (1, 2, 3) for i in (3, 4, 5)}


def test_names_play_no_part():
    net = create("resnet50")
    names = {node.name: f"n{chr(97 + i // 26)}{chr(97 + i % 26)}" for i, node in enumerate(net)} | {"input": "input"}
    nodes = tuple(
        replace(node, name=names[node.name], inputs=tuple(names[source] for source in node.inputs)) for node in net
    )
    anonymous = replace(net, nodes=nodes, output=names[net.output])
    assert [node.op for node in scale_depth(anonymous, 2)] == [node.op for node in scale_depth(net, 2)]


def test_a_module_that_was_read_can_be_made_deeper():
    import torch
    from torch import nn as torch_nn

    from convsmith.backend.read import read

    block = [torch_nn.Conv2d(8, 8, 3, padding=1), torch_nn.BatchNorm2d(8), torch_nn.ReLU()]
    module = torch_nn.Sequential(torch_nn.Conv2d(3, 8, 3), *block, torch_nn.Flatten(), torch_nn.Linear(8 * 36, 4))
    net = read(module, (3, 8, 8))[0]
    deeper = build(scale_depth(net, 3)).eval()
    assert deeper(torch.zeros(2, 3, 8, 8)).shape == (2, 4)
    assert sum(isinstance(part, torch_nn.Conv2d) for part in deeper.modules()) == 4


def test_what_another_layer_shares_is_not_left_out():
    net = create("resnet20")
    owner = net["layer3.2.conv1"]
    tied = replace(net["layer3.2.conv2"], name="tied", inputs=("layer3.1.relu2",), shares=owner.name)
    end = next(i for i, node in enumerate(net) if node.name == net.output)
    sharing = replace(net, nodes=(*net.nodes[:end], tied, *net.nodes[end:]))
    with pytest.raises(UsageError, match=r"layer3\.2\.conv1 cannot be left out"):
        scale_depth(sharing, 1 / 3)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.floats(0.2, 4))
def test_any_stack_of_residual_blocks_gets_the_rounded_counts(counts, factor):
    def stack(x: nn.Tensor) -> nn.Tensor:
        for stage, count in enumerate(counts):
            x = nn.relu(nn.batch_norm(nn.conv(x, 8 << stage, 3, 2)))
            for _ in range(count):
                y = nn.relu(nn.batch_norm(nn.conv(x, 8 << stage, 3)))
                x = nn.relu(nn.add(x, nn.batch_norm(nn.conv(y, 8 << stage, 3))))
        return nn.linear(nn.global_avg_pool(x), 3)

    net = nn.write("stack", (3, 32, 32), stack)
    assert lengths(scale_depth(net, factor)) == [max(1, ceil(count * factor - 1e-9)) for count in counts]
