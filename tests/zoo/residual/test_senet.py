from functools import partial

import pytest

from convsmith import cost_of, create, models
from convsmith.zoo import find
from convsmith.zoo.blocks import squeeze_excite
from convsmith.zoo.libraries import record_for
from convsmith.zoo.residual.resnet import bottleneck

# Parameters of the authors' released networks and of their ports, as other libraries count them.
RELEASED = {
    "se_resnet50": 28_088_024,
    "se_resnet101": 49_326_872,
    "se_resnet152": 66_821_848,
    "se_resnext50_32x4d": 27_559_896,
    "se_resnext101_32x4d": 48_955_416,
    "senet154": 115_088_984,
    "timm/legacy_seresnet18": 11_778_592,
    "timm/seresnext101_64x4d": 88_232_984,
}
TABLE_2 = ("se_resnet50", "se_resnet101", "se_resnet152", "se_resnext50_32x4d", "se_resnext101_32x4d")


@pytest.mark.parametrize(("name", "params"), RELEASED.items())
def test_parameters_are_those_of_the_released_networks(name, params):
    assert cost_of(create(name)).params == params


@pytest.mark.parametrize(("ratio", "printed"), [(2, 45.7), (4, 35.7), (8, 30.7), (16, 28.1), (32, 26.9)])
def test_parameters_by_reduction_ratio_are_within_a_tenth_of_a_million_of_table_10(ratio, printed):
    block = partial(bottleneck, excite=lambda y: squeeze_excite(y, y.channels // ratio))
    assert cost_of(create("se_resnet50", block=block)).params / 1e6 == pytest.approx(printed, abs=0.1)


@pytest.mark.parametrize("name", TABLE_2)
def test_gflops_of_table_2_are_at_most_half_a_percent_above_the_multiply_adds(name):
    # The paper counts more than multiply-adds; the cards say by how much.
    printed = find(name)[0].published.gmacs
    assert printed / 1.005 <= cost_of(create(name)).macs / 1e9 <= printed


def test_squeeze_and_excite_costs_a_quarter_of_a_percent():
    # Section 4: 3.87 against 3.86 G, 0.26%; 0.07% are multiply-adds, the rest pooling and scaling.
    ours, plain = (cost_of(create(name)).macs for name in ("se_resnet50", "resnet50"))
    assert 1 < ours / plain < 1.0026


def test_se_resnet50_adds_two_and_a_half_million_parameters():
    assert round((cost_of(create("se_resnet50")).params - cost_of(create("resnet50")).params) / 1e6, 1) == 2.5


def test_dense_layers_have_the_widths_of_table_1():
    net = create("se_resnet50")
    widths = [
        tuple(net.shapes[f"layer{stage}.0.se.{layer}"][0] for layer in ("conv1", "conv2")) for stage in range(1, 5)
    ]
    assert widths == [(16, 256), (32, 512), (64, 1024), (128, 2048)]


@pytest.mark.parametrize("name", ["se_resnet50", "se_wrn_16_8"])
def test_every_residual_is_weighed_before_it_is_added(name):
    net = create(name)
    sums = [node for node in net if node.op.kind == "add"]
    assert sums
    assert all(node.inputs[0].endswith("mul1") for node in sums)


def test_every_inception_module_is_weighed():
    net = create("se_inception_v2")
    assert sum(node.op.kind == "multiply" for node in net) == 10
    assert all(net[node.inputs[0]].op.kind == "concat" for node in net if node.op.kind == "multiply")


def test_senet154_strides_in_3x3_projections_and_begins_with_three_convolutions():
    net = create("senet154")
    kernels = [net[f"layer{stage}.0.downsample.conv1"].op.kernel for stage in range(1, 5)]
    assert kernels == [(1, 1), (3, 3), (3, 3), (3, 3)]
    assert [net[f"conv{i}"].op.kernel for i in (1, 2, 3)] == [(3, 3)] * 3
    assert net["layer1.0.conv2"].op.groups == 64


def test_timm_widens_the_thinnest_squeeze_to_8_but_not_in_its_ports():
    assert create("timm/seresnet18").shapes["layer1.0.se.conv1"] == (8, 1, 1)
    assert create("timm/legacy_seresnet18").shapes["layer1.0.se.conv1"] == (4, 1, 1)


def test_timms_ports_of_basic_blocks_rectify_before_they_weigh():
    assert create("timm/legacy_seresnet18")["layer1.0.mul1"].inputs[0] == "layer1.0.relu2"
    assert create("se_resnet18")["layer1.0.mul1"].inputs[0] == "layer1.0.bn2"


def test_ports_from_caffe_pool_with_partial_windows_and_timms_own_with_padding():
    assert create("timm/legacy_seresnet50")["pool1"].op.ceil
    assert create("timm/seresnet50")["pool1"].op.padding == (1, 1, 1, 1)


def timm_names(net):
    return record_for("timm", net).prefixes(net)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("legacy_seresnet50", ("layer0.conv1", "layer0.bn1", "layer2.0.se_module.fc2", "last_linear")),
        ("legacy_senet154", ("layer0.conv1", "layer0.bn1", "layer2.0.se_module.fc2", "last_linear")),
        ("seresnet50", ("conv1", "bn1", "layer2.0.se.fc2", "fc")),
        ("senet154", ("conv1.0", "conv1.1", "layer2.0.se.fc2", "fc")),
    ],
)
def test_timm_has_two_sets_of_names(name, expected):
    names = timm_names(create(f"timm/{name}"))
    assert tuple(names[ours] for ours in ("conv1", "bn1", "layer2.0.se.conv2", "fc")) == expected
    assert names["layer2.0.downsample.bn1"] == "layer2.0.downsample.1"


@pytest.mark.parametrize("name", [*models("timm/*seresne*"), *models("timm/*senet154")])
def test_every_layer_with_parameters_has_a_name_of_its_own(name):
    net = create(name)
    names = [timm_names(net)[node.name] for node in net if net.parameters_of(node)]
    assert len(set(names)) == len(names)
