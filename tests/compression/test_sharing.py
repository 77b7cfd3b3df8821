"""Shared weights: k-means in one dimension, zeros that stay, values that move together."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings, strategies as st

import convsmith
from convsmith.compression import Sharing, share, tuned, with_codebooks
from convsmith.compression.sharing import STARTS, kmeans, shared
from convsmith.errors import UnknownNameError, UsageError
from convsmith.model import Model, load_model, save_model
from convsmith.network import Preprocess
from convsmith.network.storage import CodebookStorage


@pytest.fixture
def model() -> Model:
    net = convsmith.create("lenet5", classes=3, input=(1, 16, 16))
    torch.manual_seed(0)
    return Model(net, convsmith.build(net).state_dict(), ("a", "b", "c"), Preprocess(1, (16, 16), 16, (0.5,), (0.5,)))


@given(st.integers(0, 1000), st.integers(1, 40), st.sampled_from(STARTS), st.booleans())
@settings(deadline=None)
def test_a_tensor_has_at_most_so_many_values_and_keeps_its_zeros(seed, count, start, pruned):
    values = torch.randn(50, generator=torch.Generator().manual_seed(seed))
    if pruned:
        values[::3] = 0
    found = shared(values, count, start, seed)
    assert len(torch.unique(found)) <= count
    assert not found[values == 0].any()


@pytest.mark.parametrize("start", STARTS)
def test_values_are_means_of_those_nearest_to_them(start):
    values = torch.randn(500, generator=torch.Generator().manual_seed(1))
    codes = kmeans(values, 8, start, 0)
    nearest = (values[:, None] - codes).abs().argmin(1)
    means = torch.stack([values[nearest == k].mean() for k in range(len(codes))])
    assert torch.allclose(means, codes, atol=1e-5)


def test_clusters_far_apart_are_found():
    values = torch.tensor([-1.0, -1.1, -0.9, 0.5, 0.6, 3.0])
    assert torch.allclose(kmeans(values, 3, "linear", 0), torch.tensor([-1.0, 0.55, 3.0]))


def test_a_shared_model_is_saved_as_it_is(model, tmp_path):
    outcome = share(model, Sharing(bits=3, layer_bits={"fc1": 2}))
    save_model(outcome.model, tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert all(torch.equal(again.weights[key], weight) for key, weight in outcome.model.weights.items())
    assert again.network.storage_of("fc1.weight") == CodebookStorage(4)
    assert len(torch.unique(again.weights["fc2.weight"])) == 8
    assert {one.layer for one in outcome.touched} == {"conv1", "conv2", "fc1", "fc2", "fc3"}


def test_spared_layers_keep_their_weights(model):
    outcome = share(model, Sharing(bits=2, spared=("conv1",)))
    assert torch.equal(outcome.model.weights["conv1.weight"], model.weights["conv1.weight"])
    assert [one.layer for one in outcome.untouched] == ["conv1"]


def test_values_move_by_the_sum_of_their_weights_gradients(model):
    shared_model = share(model, Sharing(bits=2)).model
    module = shared_model.module().train()
    after = tuned(shared_model)
    loss = module(torch.randn(4, 1, 16, 16)).square().mean()
    loss.backward()
    before, gradient = shared_model.weights["fc2.weight"], module.get_parameter("fc2.weight").grad
    with torch.no_grad():
        for parameter in module.parameters():
            parameter -= 1e-4 * parameter.grad
        after(module, 0)
    for value in torch.unique(before):
        members = before == value
        moved = module.get_parameter("fc2.weight")[members]
        assert len(torch.unique(moved)) == 1
        assert torch.allclose(moved[0], value - 1e-4 * gradient[members].sum(), atol=1e-4)


def test_averaged_weights_are_shared_without_moving_values_again(model):
    shared_model = share(model, Sharing(bits=2)).model
    module = shared_model.module()
    after = tuned(shared_model)
    after(module, 0)
    with torch.no_grad():
        module.get_parameter("fc2.weight").add_(1.0)
        after(module, 0)
    expected = shared_model.weights["fc2.weight"] + 1.0
    assert torch.allclose(module.get_parameter("fc2.weight"), expected, atol=1e-5)


def test_zeros_stay_zeros_in_tuning_and_a_tuned_model_is_saved(model, tmp_path):
    weights = {**model.weights, "fc1.weight": model.weights["fc1.weight"] * (torch.rand(120, 16) < 0.5)}
    pruned = Model(model.network, weights, model.classes, model.preprocess)
    shared_model = share(pruned, Sharing(bits=3)).model
    module, after = shared_model.module(), tuned(shared_model)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.01
        after(module, 0)
    zeros = pruned.weights["fc1.weight"] == 0
    assert not module.get_parameter("fc1.weight")[zeros].any()
    again = with_codebooks(
        Model(model.network, module.state_dict(), model.classes, model.preprocess), tuple(shared_model.grids)
    )
    save_model(again, tmp_path / "m")
    assert torch.equal(load_model(tmp_path / "m").weights["fc1.weight"], module.state_dict()["fc1.weight"])


def test_what_cannot_be_shared_is_refused(model):
    with pytest.raises(UsageError, match="1 to 8 bits, not in 9"):
        Sharing(bits=9)
    with pytest.raises(UnknownNameError, match="start of k-means 'even'"):
        Sharing(start="even")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="layer of lenet5 'fc9'"):
        share(model, Sharing(layer_bits={"fc9": 2}))
