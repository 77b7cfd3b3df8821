import math
import tomllib
from pathlib import Path

import pytest
import torch

from convsmith import build, cost_of, create, models
from convsmith.network.ops import Activation, BatchNorm, Conv, StochasticDepth
from convsmith.weights import from_library, to_library
from convsmith.zoo import find
from convsmith.zoo.certify import certify, rounded_as
from convsmith.zoo.searched.efficientnet import LITE_SCALES, SCALES

FIGURES = tomllib.loads((Path(__file__).parents[2] / "reference" / "figures.toml").read_text())["efficientnet"]
PAPERS = tuple(FIGURES["top1"])
NAMES = tuple(f"efficientnet_{size}" for size in (*SCALES, *LITE_SCALES))


def ops_of(net, kind):
    return [node.op for node in net if isinstance(node.op, kind)]


def depths(net):
    """Blocks in each stage."""
    blocks = dict.fromkeys((node.stage, node.block) for node in net if node.block)
    return [sum(stage == f"stage{i}" for stage, _ in blocks) for i in range(1, 8)]


@pytest.mark.parametrize("size", PAPERS)
def test_figures_are_those_of_table_2_or_explained_on_the_card(size):
    variant, _ = find(f"efficientnet_{size.lower()}")
    cost = cost_of(create(variant.name))
    for field, exact, power in (("params_m", cost.params, 6), ("gmacs", cost.macs, 9)):
        printed = FIGURES[field][size]
        equal = float(rounded_as(printed, exact, power)) == printed
        assert getattr(variant.published, field) == printed
        assert equal == (field not in variant.published.deviations)
    assert variant.published.top1 == FIGURES["top1"][size]


@pytest.mark.parametrize("size", PAPERS)
def test_no_figure_is_further_than_5_percent_from_table_2(size):
    cost = cost_of(create(f"efficientnet_{size.lower()}"))
    assert cost.params / 1e6 == pytest.approx(FIGURES["params_m"][size], rel=0.05)
    assert cost.macs / 1e9 == pytest.approx(FIGURES["gmacs"][size], rel=0.05)


def test_the_compound_coefficient_doubles_the_cost():
    alpha, beta, gamma = FIGURES["alpha_beta_gamma"]
    assert alpha * beta**2 * gamma**2 == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(("size", "phi"), [("b0", 0), ("b1", 0.5), ("b2", 1), ("b3", 2), ("b4", 3.5)])
def test_coefficients_follow_from_phi(size, phi):
    alpha, beta, gamma = FIGURES["alpha_beta_gamma"]
    width, depth, side, _ = SCALES[size]
    assert width == pytest.approx(beta**phi, abs=0.05)
    assert depth == pytest.approx(alpha**phi, abs=0.1)
    assert side == pytest.approx(224 * gamma**phi, abs=15)


def test_b0_has_the_stages_of_table_1():
    net = create("efficientnet_b0")
    last = {node.stage: net.shapes[node.name] for node in net}
    assert net.shapes["conv1"] == (32, 112, 112)
    assert [last[f"stage{i}"][:2] for i in range(1, 8)] == [
        (16, 112), (24, 56), (40, 28), (80, 14), (112, 14), (192, 7), (320, 7),
    ]  # fmt: skip
    assert net.shapes["conv2"] == (1280, 7, 7)
    assert depths(net) == [1, 2, 2, 3, 3, 4, 1]


def test_depth_is_rounded_up_and_width_to_multiples_of_8():
    net = create("efficientnet_b7")
    assert depths(net) == [4, 7, 7, 10, 10, 13, 4]
    assert {op.channels % 8 for op in ops_of(net, Conv) if op.groups == 1 and op.bias is False} == {0}
    assert create("efficientnet_b3").shapes["conv2"][0] == 1536


@pytest.mark.parametrize("size", LITE_SCALES)
def test_lite_has_relu6_no_squeeze_and_keeps_stem_and_head(size):
    net = create(f"efficientnet_{size}")
    assert {op.function for op in ops_of(net, Activation)} == {"relu6"}
    assert not [node for node in net if ".se." in node.name]
    assert (net.shapes["conv1"][0], net.shapes["conv2"][0]) == (32, 1280)
    assert depths(net)[0] == depths(net)[-1] == 1


@pytest.mark.parametrize("size", LITE_SCALES)
def test_lite_has_the_release_pages_multiply_adds_when_every_operation_counts(size):
    cost = cost_of(create(f"efficientnet_{size}"))
    everything = cost.flops - cost.macs  # each multiply-add as one, as every other operation is
    assert everything / 1e9 == pytest.approx(find(f"efficientnet_{size}")[0].published.gmacs, rel=0.005)


def test_squeeze_and_excitation_is_a_quarter_of_the_blocks_input():
    net = create("efficientnet_b4")
    for node in net:
        if node.name.endswith(".se.conv1"):
            first = next(other for other in net if other.block == node.block)
            assert node.op.channels == net.inputs_of(first)[0][0] // 4


def test_blocks_are_dropped_more_often_the_deeper_they_are():
    chances = [op.p for op in ops_of(create("efficientnet_b0"), StochasticDepth)]
    assert chances == sorted(chances)
    assert chances[-1] == pytest.approx(0.2 * 14 / 16)
    assert not ops_of(create("timm/efficientnet_b0"), StochasticDepth)


@pytest.mark.parametrize(
    ("name", "eps", "momentum", "padding"),
    [
        ("torchvision/efficientnet_b4", 1e-5, 0.1, (1, 1, 1, 1)),
        ("torchvision/efficientnet_b5", 1e-3, 0.01, (1, 1, 1, 1)),
        ("timm/efficientnet_b5", 1e-5, 0.1, (1, 1, 1, 1)),
        ("timm/tf_efficientnet_b0", 1e-3, 0.1, "same"),
        ("timm/tf_efficientnet_lite4", 1e-3, 0.1, "same"),
        ("keras/EfficientNetB7", 1e-3, 0.01, "same"),
    ],
)
def test_libraries_differ_in_norms_and_padding(name, eps, momentum, padding):
    net = create(name)
    assert set(ops_of(net, BatchNorm)) == {BatchNorm(eps, momentum)}
    assert net["conv1"].op.padding == padding


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("torchvision/efficientnet_b2", 288),
        ("timm/efficientnet_b4", 320),
        ("timm/tf_efficientnet_b4", 380),
        ("timm/tf_efficientnet_l2", 475),
        ("timm/efficientnet_l2", 800),
        ("timm/tf_efficientnet_lite4", 380),
        ("efficientnet_lite4", 300),
    ],
)
def test_libraries_have_their_own_sides(name, side):
    assert create(name).input == (3, side, side)


def test_keras_normalises_raw_pixels_within_the_network():
    net = create("keras/EfficientNetB0", classes=2, input=(3, 32, 32))
    module = build(net).eval()
    plain = build(create("keras/EfficientNetB0", classes=2, input=(3, 32, 32), entry=None)).eval()
    weights = module.state_dict()
    plain.load_state_dict({key: value for key, value in weights.items() if not key.startswith("norm1.")})
    mean, variance = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.05, 0.06, 0.07))
    module.load_state_dict({**weights, "norm1.mean": mean, "norm1.variance": variance})
    pixels = torch.rand(1, 3, 32, 32) * 255
    by_hand = (pixels / 255 - mean.view(3, 1, 1)) / variance.view(3, 1, 1).sqrt()
    assert torch.allclose(module(pixels), plain(by_hand), atol=1e-5)
    assert cost_of(net).params == cost_of(create("efficientnet_b0", classes=2)).params


def test_keras_published_deviations_are_read_as_variances():
    net = create("keras/EfficientNetB0", classes=2)
    weights = build(net).state_dict()
    state = to_library(net, weights, "keras")
    state["normalization/variance"] = torch.tensor((0.229, 0.224, 0.225))
    read = from_library(net, state, "keras")["norm1.variance"]
    assert torch.allclose(read.sqrt(), state["normalization/variance"])
    state["normalization/variance"] = torch.tensor((0.05, 0.06, 0.07))
    assert torch.equal(from_library(net, state, "keras")["norm1.variance"], state["normalization/variance"])


@pytest.mark.parametrize("name", ["timm/tf_efficientnet_lite1", "timm/tf_efficientnet_b1"])
def test_weights_of_efficientnet_pytorch_are_read_by_its_keys(name):
    net = create(name, classes=3)
    weights = build(net).state_dict()
    state = to_library(net, weights, "efficientnet_pytorch")
    assert {"_conv_stem.weight", "_bn0.bias", "_blocks.0._depthwise_conv.weight", "_fc.bias"} <= set(state)
    assert {"_blocks.2._expand_conv.weight", "_blocks.20._bn2.running_var", "_bn1.weight"} <= set(state)
    assert "_blocks.0._expand_conv.weight" not in state
    assert ("_blocks.0._se_reduce.bias" in state) == ("lite" not in name)
    read = from_library(net, state, "efficientnet_pytorch")
    assert all(torch.equal(read[key], weights[key]) for key in net.parameters)


def test_every_size_has_its_names_in_the_libraries():
    assert len(models("torchvision/efficientnet_b*")) == len(models("keras/EfficientNetB*")) == 8
    assert len(models("timm/tf_efficientnet_*")) == len(models("timm/efficientnet_*")) == len(NAMES)


def test_the_classifier_begins_the_smaller_the_more_classes_there_are():
    weights = build(create("efficientnet_b0", classes=100, input=(3, 32, 32))).state_dict()["fc.weight"]
    assert 0.09 < weights.abs().max() <= 1 / math.sqrt(100)


def test_a_librarys_figures_stand_beside_ours():
    row = next(certify("efficientnet_b0"))
    assert row.peers == "torchvision 5,288,548"
