"""Layers as products of thinner ones: exact at full rank, cheaper below it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from masked import models_of
from small import clothes, recipe, sample, trained

import convsmith
from convsmith.backend.onnx import to_onnx
from convsmith.compression import LowRank, factorize, retrained, search_ranks
from convsmith.compression.low_rank.decompose import CONVOLUTIONS, decompose, full_rank
from convsmith.compression.low_rank.factor import Factors, factorable, macs_of, method_for, with_factors
from convsmith.compression.sample import loss_and_accuracy
from convsmith.cost import cost_of
from convsmith.errors import LimitError, UnknownNameError, UsageError
from convsmith.model import Model, fuse_norm, load_model, save_model
from convsmith.network import builder as nn, ops
from convsmith.transform.width import scale_width


def model_of(family) -> Model:
    return models_of(nn.write("test", (3, 13, 11), family))[0]


def layers(x: nn.Tensor) -> nn.Tensor:
    """Every kind of convolution that is factorized: strided, padded unevenly, dilated, oblong, biased, 1x1."""
    x = nn.relu(nn.conv(x, 12, (3, 5), (2, 1), padding=(1, 0, 2, 1)))
    x = nn.relu(nn.batch_norm(nn.conv(x, 10, 3, dilation=(1, 2), bias=False)))
    x = nn.relu(nn.conv(x, 9, 4, 2, padding="same"))
    x = nn.relu(nn.conv(x, 14, 1, 2))
    return nn.linear(nn.linear(nn.flatten(x), 8), 5)


def outputs(model: Model) -> torch.Tensor:
    images = torch.randn((4, *model.network.input), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return model.module()(images)


def whole(model: Model, method: str) -> Model:
    """Every layer that can be, factorized at its full rank."""
    model = fuse_norm(model)
    able, _ = factorable(model.network)
    shapes = {node.name: model.network.parameters[f"{node.name}.weight"].shape for node in able}
    methods = {node.name: method_for(node.op, method) for node in able}
    return with_factors(
        model, [Factors(name, methods[name], full_rank(shape, methods[name])) for name, shape in shapes.items()]
    )


@pytest.mark.parametrize("method", CONVOLUTIONS)
@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2", "googlenet_bn", "unet_padded"])
def test_full_rank_gives_the_same_answers(method, name):
    net = scale_width(convsmith.create(name, input=(3, 64, 64)), 0.25)
    model = models_of(net)[0].inference
    before, after = outputs(model), outputs(whole(model, method))
    assert (before - after).abs().max() < 1e-4 * before.abs().max()


@pytest.mark.parametrize("method", CONVOLUTIONS)
def test_full_rank_gives_the_same_answers_for_every_kind_of_convolution(method):
    model = model_of(layers)
    before, after = outputs(model), outputs(whole(model, method))
    assert (before - after).abs().max() < 1e-4 * before.abs().max()


@pytest.mark.parametrize("method", CONVOLUTIONS)
def test_the_energy_that_is_asked_for_is_kept(method):
    weight = torch.randn((12, 10, 3, 3), generator=torch.Generator().manual_seed(0)) ** 3
    done = decompose(weight, method)
    op = ops.Conv(12, (3, 3), padding=(1, 1, 1, 1))
    for energy in (0.5, 0.8, 0.95):
        net = nn.write("one", (10, 8, 8), lambda x: nn.flatten(nn.apply(op, x, name="conv")))
        model = models_of(net)[0]
        model = replace(model, weights={"conv.weight": weight})
        thin = with_factors(model, [Factors("conv", method, done.rank_for(energy))])
        # The response to a single pixel is the kernel.
        image = torch.zeros(10, 10, 8, 8)
        image[range(10), range(10), 4, 4] = 1
        with torch.inference_mode():
            kernels, left = model.module()(image), thin.module()(image)
        assert 1 - (kernels - left).square().sum() / kernels.square().sum() >= energy - 1e-6


def test_the_rank_of_a_product_is_found():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn((20, 4), generator=generator) @ torch.randn((4, 30), generator=generator)
    assert decompose(weight, "channel").rank_for(1 - 1e-9) == (4,)


def test_a_factorized_model_has_fewer_multiply_adds_and_says_which_ranks():
    outcome = factorize(trained(), LowRank(0.7))
    assert cost_of(outcome.model.network).macs < cost_of(fuse_norm(trained()).network).macs
    whats = [one.what for one in outcome.touched if one.layer == "conv2"]
    assert whats == ["rank of its outputs (tucker)", "rank of its inputs (tucker)"]


def test_layers_that_cannot_be_factorized_are_named_with_the_reason():
    reasons = {one.layer: one.reason for one in factorize(trained(), LowRank(0.999)).untouched}
    assert reasons["conv3"] == "its 32 groups have no weights in common"
    assert "no fewer multiply-adds" in reasons["fc2"]


def test_shared_and_transposed_layers_are_left_alone():
    def family(x):
        x = nn.conv_transpose(nn.conv(x, 8, 3, name="a"), 8, 2, 2, name="up")
        first = nn.conv(x, 8, 3, name="b")
        return nn.linear(nn.global_avg_pool(nn.again(first, first)), 5)

    reasons = {one.layer: one.reason for one in factorize(model_of(family), LowRank(0.5)).untouched}
    assert reasons["b"] == "its weights are another layer's too"
    assert reasons["up"] == "conv_transpose has no factorization here"


@pytest.mark.parametrize("of", ["macs", "params"])
def test_the_search_meets_its_budget(of):
    model = fuse_norm(trained())
    found = search_ranks(trained(), sample(), 0.6, of=of).model
    before, after = cost_of(model.network), cost_of(found.network)
    assert getattr(after, of) <= 0.6 * getattr(before, of)


def test_the_search_loses_less_than_the_same_energy_everywhere():
    searched = search_ranks(trained(), sample(), 0.5).model
    budget = cost_of(searched.network).macs
    even = next(
        found
        for energy in (0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4)
        if cost_of((found := factorize(trained(), LowRank(energy, "spatial")).model).network).macs <= 1.05 * budget
    )
    assert loss_and_accuracy(searched, sample("test"))[0] < loss_and_accuracy(even, sample("test"))[0]


def test_a_budget_that_cannot_be_met_says_how_far_one_gets():
    with pytest.raises(LimitError, match=r"keep: small cannot be factorized below \d+\.\d% of its multiply-adds"):
        search_ranks(trained(), sample(), 0.01)


def test_training_wins_back_what_low_rank_cost():
    thin = factorize(trained(), LowRank(0.5)).model
    again = retrained(thin, clothes(), recipe())
    assert loss_and_accuracy(again, sample("test"))[0] < loss_and_accuracy(thin, sample("test"))[0]


def test_a_factorized_model_is_saved_and_exported_like_any_other(tmp_path):
    thin = factorize(trained(), LowRank(0.7)).model
    save_model(thin, tmp_path / "m.safetensors")
    assert load_model(tmp_path / "m.safetensors").network == thin.network
    graph = to_onnx(thin.network, {key: value.numpy() for key, value in thin.weights.items()})
    assert len(graph.graph.node) > len(thin.network) / 2


def test_the_factors_multiply_adds_are_counted_without_building_them():
    model = fuse_norm(trained())
    factors = Factors("conv2", "tucker", (9, 5))
    node = model.network["conv2"]
    saved = macs_of(model.network, node, None) - macs_of(model.network, node, factors)
    thin = with_factors(model, [factors])
    assert cost_of(model.network).macs - cost_of(thin.network).macs == saved


def test_an_unknown_layer_or_method_is_named():
    with pytest.raises(UnknownNameError, match="conv9"):
        with_factors(trained(), [Factors("conv9", "tucker", (1, 1))])
    with pytest.raises(UnknownNameError, match="cp"):
        LowRank(0.5, "cp")
    with pytest.raises(UsageError, match="energy"):
        LowRank(0)
