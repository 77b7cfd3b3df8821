"""Slimmed models: the same answers as the masked ones, within the budget, ordinary in every way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from masked import models_of, same_as_masked
from small import Stopping, assert_same_bits, clothes, recipe, sample, trained

import convsmith
from convsmith.compression import Sample, Slimming, retrained, slim, slim_gradually
from convsmith.compression.sample import loss_and_accuracy
from convsmith.compression.slimming.scores import scores_of
from convsmith.compression.slimming.slim import cut
from convsmith.cost import cost_of
from convsmith.errors import LimitError, ShapeError, UsageError
from convsmith.model import Model, load_model, plain_filters, save_model
from convsmith.network import Network, Preprocess, builder as nn, ops
from convsmith.transform.channels import channels_of
from convsmith.transform.width import scale_width

SIDES = (32, 64, 96, 128, 160, 192, 224, 299)
"""Of images, the smallest that a network takes is used."""

ONE_OF_EACH = (
    "alexnet:0.25", "densenet40_k12", "efficientnet_b0:0.25", "googlenet:0.25", "inception_resnet_v1:0.25",
    "inception_v2:0.25", "inception_v3:0.25", "inception_v4:0.25", "lenet5", "lenet5_1998", "mnasnet_small",
    "mobilenet_v2", "nasnet_mobile", "nfnet_l0:0.25", "resnet20", "resnet50_v2:0.25", "resnext50_32x4d:0.25",
    "se_resnet50:0.25", "shufflenet_v2_x0_5", "squeezenet1_0_complex_bypass", "unet:0.25", "vgg11:0.25",
    "wide_resnet18_2:0.25", "xception:0.25",
)  # fmt: skip
"""A network of each family, the wide ones at a quarter of their width; the slow test has all as they are."""


def small(name: str) -> Network:
    """A network of the zoo for images as small as it takes."""
    own = convsmith.create(name)
    for side in SIDES:
        try:
            if side < own.input[1]:
                return convsmith.create(name, input=(own.input[0], side, side))
        except ShapeError:
            continue
    return own


def written(family) -> Network:
    return nn.write("test", (3, 8, 8), family)


def conv(x: nn.Tensor, channels: int, name: str, stride: int = 1) -> nn.Tensor:
    return nn.relu(nn.batch_norm(nn.conv(x, channels, 3, stride, name=name)))


def head(x: nn.Tensor) -> nn.Tensor:
    return nn.linear(nn.global_avg_pool(x), 5, name="head")


def attention(x: nn.Tensor) -> nn.Tensor:
    """Two heads of width 4 over the positions, from one dense layer for queries, keys and values."""
    tokens = nn.permute(nn.reshape(conv(x, 8, "a", stride=2), (8, 16)), (1, 0))
    qkv = nn.permute(nn.reshape(nn.apply(ops.Linear(24), tokens, name="qkv"), (16, 3, 2, 4)), (1, 2, 0, 3))
    q, k, v = (nn.reshape(nn.apply(ops.Slice(i, i + 1), qkv), (2, 16, 4)) for i in range(3))
    weights = nn.softmax(nn.matmul(q, nn.permute(k, (0, 2, 1))), 2)
    mixed = nn.reshape(nn.permute(nn.matmul(weights, v), (1, 0, 2)), (16, 8))
    tokens = nn.add(tokens, nn.apply(ops.Linear(8), mixed, name="out"))
    return head(nn.reshape(nn.permute(tokens, (1, 0)), (8, 4, 4)))


def rearranged(x: nn.Tensor) -> nn.Tensor:
    x = nn.pixel_shuffle(conv(x, 64, "a", stride=2), 2)
    x = nn.apply(ops.PixelUnshuffle(2), nn.apply(ops.PReLU(), nn.group_norm(x, 8)))
    x = nn.apply(ops.ConvTranspose(64, (2, 2), (2, 2), groups=64), x)
    x = nn.apply(ops.ConvTranspose(24, (2, 2), (1, 1), groups=2), x)
    x = nn.apply(ops.Pad((1, 0, 0, 1), (-1, 2)), x)
    x = nn.apply(ops.Repeat((2, 1, 1)), nn.instance_norm(nn.apply(ops.Slice(1, 24, 0, 2), x)))
    x = nn.layer_scale(nn.apply(ops.Affine(), x), 0.5)
    return nn.linear(nn.flatten(nn.resize(x, (3, 3))), 5)


def gated(x: nn.Tensor) -> nn.Tensor:
    """A gated unit from two halves, a gate by position, maxout, and a connection table."""
    x = conv(x, 12, "a")
    x = nn.multiply(nn.channel_slice(x, 0, 6), nn.activation(nn.channel_slice(x, 6, 12), "sigmoid"))
    x = nn.multiply(x, nn.activation(nn.conv(nn.concat(nn.channel_max(x), nn.channel_mean(x)), 1, 3), "sigmoid"))
    x = nn.apply(ops.Maximum(), conv(x, 6, "b"), conv(x, 6, "c"))
    x = nn.table_conv(nn.conv(x, 6, 1, name="d"), ((0, 1, 2), (2, 3, 4), (3, 4, 5), (0, 2, 5)), 3)
    return head(nn.activation(x, "tanh"))


@pytest.mark.parametrize("family", [attention, rearranged, gated])
@settings(max_examples=20)
@given(share=st.floats(0.1, 0.9), seed=st.integers(0, 1000))
def test_what_is_left_computes_what_the_whole_did_with_the_rest_at_zero(family, share, seed):
    (model,) = models_of(written(family))
    assert same_as_masked(model, share, seed) < 1e-5


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_one_of_each_family_slimmed_equals_the_masked_original(name):
    name, _, width = name.partition(":")
    (model,) = models_of(scale_width(small(name), float(width or 1)))
    assert max(same_as_masked(model, share) for share in (0.3, 0.6)) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in convsmith.models() if "/" not in name])
def test_every_network_of_the_zoo_slimmed_equals_the_masked_original(name):
    (model,) = models_of(small(name))
    assert max(same_as_masked(model, share) for share in (0.3, 0.6)) < 1e-5


@pytest.mark.parametrize("slimming", [
    Slimming(0.5),
    Slimming(0.5, "params", "l1"),
    Slimming(0.7, "channels", "norm_scale"),
    Slimming(0.5, scope="layer"),
    Slimming(0.6, divisor=8),
])  # fmt: skip
def test_the_budget_is_met_and_not_by_much_more(slimming):
    model = models_of(convsmith.create("mobilenet_v1:0.5-64"))[0]
    slimmed = slim(model, slimming).model
    before, after = cost_of(model.network), cost_of(slimmed.network)
    left = {
        "macs": after.macs / before.macs,
        "params": after.params / before.params,
        "channels": sum(channels_of(slimmed.network).widths().values())
        / sum(channels_of(model.network).widths().values()),
    }[slimming.of]
    tolerance = 0.06 if slimming.divisor > 1 or slimming.of == "channels" else 0.01
    assert slimming.keep - tolerance < left <= slimming.keep + (slimming.of == "channels") * 0.12


def test_auxiliary_heads_are_slimmed_with_what_they_read():
    (model,) = models_of(small("googlenet_bn"))
    slimmed = slim(model, Slimming(0.5)).model
    outputs = slimmed.module().train()(torch.randn(2, *slimmed.network.input))
    assert [len(one[0]) for one in outputs] == [1000, 1000, 1000]
    assert slimmed.weights["aux1.fc1.weight"].shape[0] < model.weights["aux1.fc1.weight"].shape[0]


def test_widths_stay_multiples_of_the_divisor():
    slimmed = slim(models_of(small("mobilenet_v2"))[0], Slimming(0.5, divisor=8)).model
    widths = channels_of(slimmed.network).widths()
    assert {layer: width % 8 for layer, width in widths.items() if width % 8} == {}


def test_no_layer_falls_below_the_floor():
    model = models_of(convsmith.create("resnet20"))[0]
    outcome = slim(model, Slimming(0.3, floor=0.4))
    before = channels_of(model.network).widths()
    after = channels_of(outcome.model.network).widths()
    assert min(after[layer] / before[layer] for layer in after) >= 0.4


def test_what_cannot_be_reached_says_how_far_one_gets_and_what_stands_in_the_way():
    with pytest.raises(
        LimitError, match=r"keep: alexnet cannot be slimmed below \d+\.\d% .* conv1: all of 96 channels"
    ):
        slim(models_of(small("alexnet"))[0], Slimming(0.01))


def test_layers_that_are_not_touched_are_named_with_the_reason():
    outcome = slim(models_of(small("googlenet"))[0], Slimming(0.6))
    reasons = {one.layer: one.reason for one in outcome.untouched}
    assert reasons["conv1"] == "all 64 channels kept: lrn1 (local_response_norm) sums over neighbouring channels"
    assert "conv1" not in {one.layer for one in outcome.touched}


def test_channels_without_a_batch_norm_are_not_ranked_by_its_scale():
    outcome = slim(trained(), Slimming(0.9, criterion="norm_scale"))
    reasons = {one.layer: one.reason for one in outcome.untouched}
    assert reasons["fc1"] == "all 32 channels kept: the criterion norm_scale says nothing of them"


def test_a_norm_finds_the_filters_that_are_zero():
    model = models_of(convsmith.create("lenet5"))[0]
    weight = model.weights["conv1.weight"].clone()
    weight[[1, 4]] = 0
    model = replace(model, weights={**model.weights, "conv1.weight": weight})
    channels = channels_of(model.network)
    units = next(slot.units for slot in channels.slots if slot.parameter == "conv1.weight")
    assert set(np.argsort(scores_of(model, channels, "l2"))[:2]) == {units[1], units[4]}


def test_taylor_finds_the_channels_that_nothing_reads():
    model = trained()
    weights = {key: value.clone() for key, value in model.weights.items()}
    weights["fc2.weight"][:, [3, 7, 11]] = 0
    model = replace(model, weights=weights)
    channels = channels_of(model.network)
    units = next(slot.units for slot in channels.slots if slot.parameter == "fc1.weight")
    scores = scores_of(model, channels, "taylor", sample())
    assert [scores[units[i]] for i in (3, 7, 11)] == [0, 0, 0]


@pytest.mark.parametrize("criterion", ["l1", "l2", "norm_scale", "taylor"])
def test_what_a_criterion_keeps_is_worth_more_than_what_it_removes(criterion):
    model = trained()
    channels = channels_of(model.network)
    scores = scores_of(model, channels, criterion, sample())
    units = np.argsort(scores, kind="stable")
    units = [unit for unit in units if np.isfinite(scores[unit])]
    few = len(units) // 5
    least, most = (cut(model, channels, frozenset(some)) for some in (units[:few], units[-few:]))
    assert loss_and_accuracy(least, sample("test"))[0] < loss_and_accuracy(most, sample("test"))[0]


def test_taylor_without_images_is_refused():
    with pytest.raises(UsageError, match="sample"):
        slim(trained(), Slimming(0.5, criterion="taylor"))


@pytest.mark.parametrize(
    "wrong", [{"keep": 0}, {"keep": 1.5}, {"keep": 0.5, "divisor": 0}, {"keep": 0.5, "of": "bytes"}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError):
        Slimming(**wrong)


def test_a_slimmed_model_is_saved_and_read_like_any_other(tmp_path):
    slimmed = slim(trained(), Slimming(0.5)).model
    save_model(slimmed, tmp_path / "slim.safetensors")
    assert load_model(tmp_path / "slim.safetensors").network == slimmed.network
    assert (tmp_path / "slim.safetensors").stat().st_size < 0.7 * sum(4 * w.numel() for w in trained().weights.values())


class Block(torch.nn.Module):
    """A user's own: grouped, shuffled, gated, added, split and flattened."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = torch.nn.Sequential(
            torch.nn.Conv2d(3, 16, 3, padding=1), torch.nn.BatchNorm2d(16), torch.nn.PReLU(16)
        )
        self.grouped = torch.nn.Conv2d(16, 24, 3, padding=1, groups=2)
        self.gate = torch.nn.Sequential(
            torch.nn.Linear(24, 6), torch.nn.ReLU(), torch.nn.Linear(6, 24), torch.nn.Sigmoid()
        )
        self.norm = torch.nn.GroupNorm(4, 24)
        self.last = torch.nn.Linear(24 * 16, 5)

    def forward(self, x):
        x = self.grouped(self.stem(x))
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        x = x * self.gate(x.mean((2, 3)))[:, :, None, None]
        first, second = self.norm(x).chunk(2, 1)
        x = torch.cat([first + second, torch.relu(second)], 1)
        return self.last(torch.nn.functional.adaptive_avg_pool2d(x, 4).flatten(1))


def users_model(tmp_path: Path, kind: str) -> Model:
    torch.manual_seed(0)
    source = Block().eval()
    if kind == "onnx":
        torch.onnx.export(source, (torch.randn(1, 3, 16, 16),), tmp_path / "m.onnx", dynamo=False, input_names=["x"])
        source = tmp_path / "m.onnx"
    net, weights = convsmith.read(source, (3, 16, 16))
    classes = tuple("abcde")
    return Model(net, weights, classes, Preprocess(3, (16, 16), 16, (0.5,) * 3, (0.5,) * 3))


@pytest.mark.parametrize("kind", ["module", "onnx"])
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_users_own_network_slimmed_equals_the_masked_original(tmp_path, kind, share):
    assert same_as_masked(users_model(tmp_path, kind), share) < 1e-5


def test_standardised_filters_become_plain_ones():
    net = nn.write(
        "nf",
        (3, 16, 16),
        lambda x: nn.linear(nn.global_avg_pool(nn.standardized_conv(nn.standardized_conv(x, 8, 3), 8, 3)), 5),
    )
    (model,) = models_of(net)
    images = torch.randn(2, 3, 16, 16)
    with torch.inference_mode():
        same = (model.module()(images) - plain_filters(model).module()(images)).abs().max()
    assert same < 1e-5
    assert {type(node.op) for node in slim(model, Slimming(0.5)).model.network if "conv" in node.name} == {ops.Conv}


def test_gradual_slimming_stopped_and_carried_on_gives_the_same_bits(tmp_path):
    slimming = Slimming(0.4, criterion="taylor")
    straight = slim_gradually(trained(), clothes(), recipe(), slimming, 2).model
    with pytest.raises(KeyboardInterrupt):
        slim_gradually(trained(), clothes(), recipe(), slimming, 2, folder=tmp_path, observers=[Stopping(3)])
    assert (tmp_path / "stage1" / "model.safetensors").exists()
    carried_on = slim_gradually(trained(), clothes(), recipe(), slimming, 2, folder=tmp_path).model
    assert_same_bits(straight, carried_on)
    assert cost_of(carried_on.network).macs <= 0.4 * cost_of(trained().network).macs


def test_training_wins_back_what_slimming_cost():
    slimmed = slim(trained(), Slimming(0.4)).model
    again = retrained(slimmed, clothes(), recipe())
    assert loss_and_accuracy(again, sample("test"))[1] > loss_and_accuracy(slimmed, sample("test"))[1] + 0.1


def test_a_sample_needs_a_label_for_each_image():
    with pytest.raises(UsageError):
        Sample(torch.zeros(3, 1, 8, 8), torch.zeros(2))
