"""Weights and feature maps in few bits, after training: what is lost, what is stored, what engines run."""

from __future__ import annotations

import onnxruntime
import pytest
import torch
from small import sample, trained

import convsmith
from convsmith.backend.onnx import to_onnx
from convsmith.compression import Quantization, equalized, quantized
from convsmith.compression.quantization.calibrate import between, divergence, narrowed, squared_error
from convsmith.compression.quantization.equalize import Pair, pairs
from convsmith.compression.quantization.weights import binary, least_error, ternary
from convsmith.compression.sample import loss_and_accuracy
from convsmith.errors import UsageError
from convsmith.model import Model, fuse_norm, load_model, save_model
from convsmith.model.codecs.integers import on_grid
from convsmith.model.rounding import nearest_to_largest
from convsmith.network import Preprocess, builder as nn, ops
from convsmith.network.storage import IntegerStorage
from convsmith.transform.quantize import Range


def accuracy(model: Model) -> float:
    return loss_and_accuracy(model, sample("test"))[1]


@pytest.mark.parametrize("calibration", ["minmax", "percentile", "mse", "entropy"])
def test_eight_bits_lose_next_to_nothing(calibration):
    made = quantized(trained(), sample(), Quantization(calibration=calibration)).model
    assert accuracy(made) >= accuracy(trained()) - 0.02


def test_the_file_holds_the_integers_and_loads_to_the_same_weights(tmp_path):
    made = quantized(trained(), sample()).model
    save_model(made, tmp_path / "int8.safetensors")
    again = load_model(tmp_path / "int8.safetensors")
    assert again.network == made.network
    assert all(torch.equal(again.weights[key], made.weights[key]) for key in made.weights)


def test_onnx_runtime_computes_every_convolution_and_dense_layer_in_integers(tmp_path):
    made = quantized(trained(), sample()).model
    grids = {key: {part: tensor.numpy() for part, tensor in grid.items()} for key, grid in made.grids.items()}
    graph = to_onnx(made.network, {key: value.numpy() for key, value in made.weights.items()}, grids=grids)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    import onnx

    kinds = [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]
    assert kinds.count("QLinearConv") == 4
    assert not {"Conv", "FusedConv", "Gemm", "MatMul"} & set(kinds)


def test_corrected_biases_bring_the_answers_nearer():
    def off(correct: bool) -> float:
        settings = Quantization(bits=4, correct_biases=correct)
        made = quantized(trained(), sample(), settings).model
        images = sample("test").images
        with torch.inference_mode():
            return float((made.module()(images) - trained().module()(images)).square().mean())

    assert off(True) < off(False)


def test_a_permitted_drop_keeps_the_most_sensitive_layers_in_floats_and_says_so():
    settings = Quantization(bits=2, max_drop=0.02)
    outcome = quantized(trained(), sample(), settings)
    before = loss_and_accuracy(trained(), sample())[1]
    assert loss_and_accuracy(outcome.model, sample())[1] >= before - 0.02
    kept = [one.layer for one in outcome.untouched]
    assert kept
    assert not {f"{layer}.weight" for layer in kept} & {one.parameter for one in outcome.model.network.storage}


@pytest.mark.parametrize("rule", ["ternary", "binary"])
def test_such_weights_take_as_many_values_in_two_bits(rule):
    made = quantized(trained(), sample(), Quantization(weights=rule)).model
    inner = [one for one in made.network.storage if one.storage.bits == 2]
    assert len(inner) == len(made.network.storage) - 2
    for one in inner:
        values = made.weights[one.parameter]
        assert all(len(channel.unique()) <= (3 if rule == "ternary" else 2) for channel in values)


def test_ternary_weights_are_the_mean_of_the_large_ones():
    values = torch.tensor([[1.0, -2.0, 0.1, 0.0]])
    rounded = ternary(IntegerStorage(2, 0), values)
    assert on_grid(IntegerStorage(2, 0), *rounded).tolist() == [[1.5, -1.5, 0.0, 0.0]]


def test_binary_weights_are_the_mean_magnitude():
    values = torch.tensor([[1.0, -2.0, 3.0, 0.0]])
    assert on_grid(IntegerStorage(2, 0), *binary(IntegerStorage(2, 0), values)).tolist() == [[1.5, -1.5, 1.5, 1.5]]


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_the_least_error_is_no_larger_than_that_of_the_largest_weight(bits):
    values, storage = torch.randn(5, 40, generator=torch.Generator().manual_seed(0)), IntegerStorage(bits, 0)

    def error(rounded) -> torch.Tensor:
        return (on_grid(storage, *rounded) - values).square().sum(1)

    assert bool((error(least_error(storage, values)) <= error(nearest_to_largest(storage, values)) + 1e-9).all())


def test_a_percentile_leaves_an_outlier_out():
    counts = torch.zeros(100, dtype=torch.float64)
    counts[:10], counts[99] = 1000, 1
    assert between(counts, Range(0.0, 100.0), 99.9).high == pytest.approx(10, abs=1.01)


@pytest.mark.parametrize("error", [squared_error, divergence])
def test_a_rare_outlier_narrows_a_grid_of_few_levels(error):
    counts = (1000 * torch.exp(-torch.arange(1000) / 40).double()).round()
    counts[999] = 1
    assert narrowed(counts, Range(0.0, 100.0), 4, error).high < 60


def chain(x: nn.Tensor) -> nn.Tensor:
    x = nn.relu(nn.conv(x, 8, 3))
    x = nn.relu(nn.conv(x, 8, 3, groups=8))
    x = nn.relu(nn.conv(x, 12, 1, groups=2))
    return nn.linear(nn.max_pool(x, 2), 5)


def chained() -> Model:
    net = nn.write("chain", (3, 8, 8), chain)
    weights = {key: value.clone() for key, value in convsmith.build(net, 1).state_dict().items()}
    first = next(iter(weights))
    weights[first] *= torch.logspace(-2, 2, 8).view(-1, 1, 1, 1)
    return Model(net, weights, tuple("abcde"), Preprocess(3, (8, 8), 8, (0.5,) * 3, (0.5,) * 3))


def test_equalized_layers_give_the_same_answers():
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    made, found = equalized(chained())
    assert len(found) == 3
    with torch.inference_mode():
        assert torch.allclose(made.module()(images), chained().module()(images), atol=1e-4, rtol=1e-4)


def test_equalized_channels_of_a_plain_pair_have_equal_ranges():
    made, (pair, *_) = equalized(chained())
    first, second = (made.weights[f"{name}.weight"].flatten(1).abs().amax(1) for name in pair)
    assert torch.allclose(first, second, rtol=0.05)


def test_a_layer_with_two_readers_is_in_no_pair():
    net = fuse_norm(trained()).network
    readers = {name: sum(node.inputs.count(name) for node in net) for name in net.shapes}
    assert all(isinstance(pair, Pair) and readers[pair.first] == 1 for pair in pairs(net))


@pytest.mark.parametrize("wrong", [{"bits": 1}, {"bits": 9}, {"percentile": 20}, {"max_drop": 2}])
def test_settings_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(UsageError) as refused:
        Quantization(**wrong)
    assert refused.value.settings == tuple(wrong)


def test_without_calibration_only_weights_are_rounded():
    made = quantized(trained(), sample(), Quantization(bits=4, calibration=None)).model
    assert not any(isinstance(node.op, ops.Quantize) for node in made.network)
    assert {one.storage.bits for one in made.network.storage} == {4, 8}
