"""Models in 8-bit integers: their files, their answers, and ONNX Runtime's answers in integer kernels."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, strategies as st
from numpy.typing import NDArray
from torch import Tensor
from trained import prepared, trained

import convsmith
from convsmith.backend.onnx import to_onnx
from convsmith.deploy.export import export, to_bytes
from convsmith.errors import UsageError
from convsmith.model import Model, load_model, observe, round_to_int8, round_weights, save_model
from convsmith.model.codecs.integers import nearest, on_grid
from convsmith.model.rounding import absmax_grid, integer_weights
from convsmith.network import Network, Node, Preprocess, ops
from convsmith.network.storage import IntegerStorage
from convsmith.transform.quantize import Range, quantize_activations

NAMES = ["lenet5", "resnet20"]


@cache
def rounded(name: str) -> Model:
    return round_to_int8(trained(name), prepared(name, "train")[0][:500].split(100))


@cache
def logits(name: str, which: str) -> Tensor:
    model = trained(name) if which == "float" else rounded(name)
    with torch.inference_mode():
        return model.module()(prepared(name, "test")[0])


def arrays(model: Model) -> tuple[dict[str, NDArray[np.float32]], dict[str, dict[str, NDArray[np.generic]]]]:
    grids = {key: {part: tensor.numpy() for part, tensor in grid.items()} for key, grid in model.grids.items()}
    return {key: weight.numpy() for key, weight in model.weights.items()}, grids


def session(model: Model, optimized: Path) -> onnxruntime.InferenceSession:
    weights, grids = arrays(model)
    exported = to_onnx(model.network, weights, grids=grids)
    onnx.checker.check_model(exported, full_check=True)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(optimized)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3  # it warns that a graph optimized for this machine is for this machine
    return onnxruntime.InferenceSession(exported.SerializeToString(), options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_about_a_quarter(name, tmp_path):
    save_model(trained(name), tmp_path / "float")
    save_model(rounded(name), tmp_path / "int8")
    assert (tmp_path / "int8").stat().st_size < 0.285 * (tmp_path / "float").stat().st_size


@pytest.mark.parametrize("name", NAMES)
def test_costs_know_the_bytes_of_the_file_without_it(name, tmp_path):
    save_model(rounded(name), tmp_path / "m")
    content = (tmp_path / "m").read_bytes()
    tensors = len(content) - 8 - int.from_bytes(content[:8], "little")
    cost = convsmith.cost_of(rounded(name).network)
    assert cost.stored_bytes == tensors
    assert cost.stored_bytes < 0.27 * cost.weights_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_the_file_reopens_bit_by_bit(name, tmp_path):
    model = rounded(name)
    save_model(model, tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert again.header == model.header
    assert all(torch.equal(again.weights[key], model.weights[key]) for key in model.weights)
    save_model(again, tmp_path / "n")
    assert (tmp_path / "n").read_bytes() == (tmp_path / "m").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_rounding_changes_few_answers(name):
    exact, approximate = logits(name, "float"), logits(name, "int8")
    assert (exact.argmax(1) == approximate.argmax(1)).float().mean() > 0.97
    assert (exact - approximate).abs().mean() < 0.03 * exact.std()


@pytest.mark.parametrize("name", NAMES)
def test_onnx_runtime_answers_as_torch_does(name, tmp_path):
    images = prepared(name, "test")[0].numpy()
    found = session(rounded(name), tmp_path / "m.onnx").run(["logits"], {"input": images})[0]
    expected = logits(name, "int8").numpy()
    assert (found.argmax(1) == expected.argmax(1)).mean() > 0.995
    assert np.abs(found - expected).mean() < 0.002 * expected.std()


@pytest.mark.parametrize("name", NAMES)
def test_onnx_runtime_computes_in_integers(name, tmp_path):
    session(rounded(name), tmp_path / "m.onnx")
    kernels = Counter(node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node)
    wanted = Counter(node.op.kind for node in trained(name).network)
    assert kernels["QLinearConv"] == wanted["conv"]
    assert kernels["QGemm"] == wanted["linear"]
    assert kernels["QLinearAdd"] == wanted["add"]
    assert not {"Conv", "FusedConv", "Gemm", "Add", "Relu"} & kernels.keys()


@pytest.mark.parametrize("name", NAMES)
def test_the_export_is_verified_on_real_pictures(name, tmp_path):
    found = export(rounded(name), tmp_path / "m.onnx", "fashion-mini", split="test", limit=300)
    assert found.passed
    assert (tmp_path / "m.onnx").stat().st_size < 0.5 * len(to_bytes(trained(name)))


def test_preprocessing_stays_in_front_of_the_integers():
    graph = onnx.load_from_string(to_bytes(rounded("lenet5"))).graph
    kinds = [node.op_type for node in graph.node]
    assert graph.input[0].name == "image"
    # The resize is two matrix products.
    assert kinds.index("MatMul") < kinds.index("QuantizeLinear")


def test_a_weight_is_in_the_onnx_file_as_int8_alone():
    weights, grids = arrays(rounded("lenet5"))
    model = to_onnx(rounded("lenet5").network, weights, grids=grids)
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert kinds["fc1.weight/values"] == onnx.TensorProto.INT8
    assert "fc1.weight" not in kinds
    assert kinds["fc1/bias"] == onnx.TensorProto.INT32
    assert "fc1.bias" not in kinds


def small(*, classes: int = 3) -> Model:
    net = convsmith.create("lenet5", classes=classes, input=(1, 28, 28))
    weights = convsmith.build(net).state_dict()
    return Model(net, weights, tuple("abcdefgh"[:classes]), Preprocess(1, (28, 28), 28, (0.5,), (0.5,)))


@given(st.integers(2, 8), st.sampled_from([None, 0, 1]), st.booleans(), st.integers(0, 2**32 - 1))
def test_rounding_moves_no_weight_by_more_than_half_a_step(bits, axis, symmetric, seed):
    storage = IntegerStorage(bits, axis, symmetric)
    values = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(seed)) * 2.0 ** (seed % 40 - 20)
    grid = absmax_grid(storage, values)
    found = on_grid(storage, nearest(storage, values, grid), grid)
    shape = [1, 1, 1]
    if axis is not None:
        shape[axis] = -1
    # An uneven grid has its 0 at a whole number, so its ends may lie half a step within the values.
    steps = 0.5 if symmetric else 1.0
    assert bool(((found - values).abs() <= 1.001 * steps * grid["scale"].view(shape if axis is not None else ())).all())


@pytest.mark.parametrize("bits", range(2, 9))
def test_weights_of_any_width_make_a_file_and_come_back(bits, tmp_path):
    model = small()
    model = round_weights(model, integer_weights(model.network, bits))
    save_model(model, tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert all(torch.equal(again.weights[key], model.weights[key]) for key in model.weights)
    cost = convsmith.cost_of(again.network)
    assert cost.stored_bytes < (bits / 32 + 0.02) * cost.weights_bytes()


def test_a_channel_of_zeros_has_a_grid():
    storage = IntegerStorage(8, 0)
    values = torch.zeros(2, 3)
    grid = absmax_grid(storage, values)
    assert torch.equal(grid["scale"], torch.ones(2))
    assert torch.equal(on_grid(storage, nearest(storage, values, grid), grid), values)


def test_new_weights_for_a_rounded_model_are_stored_in_float32_again():
    model = rounded("lenet5")
    trained_on = {key: weight + 0.001 for key, weight in model.weights.items()}
    assert model.header.with_weights(trained_on).network.storage == ()


def test_a_part_of_a_rounded_model_keeps_how_its_parameters_are_stored():
    net = rounded("lenet5").network
    part = replace(net, nodes=net.nodes[:4], output=net.nodes[3].name)
    assert {key for key, _ in part.storage} == {key for key in part.parameters if key.endswith("weight")}


def test_ranges_are_what_the_layers_give():
    model = small()
    images = torch.randn(8, 1, 28, 28)
    ranges = observe(model, [images[:3], images[3:]])
    with torch.inference_mode():
        found = model.module()(images)
    assert set(ranges) == {"input", *(node.name for node in model.network)}
    assert ranges["input"] == Range(float(images.min()), float(images.max()))
    assert ranges[model.network.output] == pytest.approx((float(found.min()), float(found.max())), rel=1e-5)


def test_without_images_there_are_no_ranges():
    with pytest.raises(UsageError, match="no images to observe"):
        observe(small(), [])


def test_images_that_are_not_finite_are_refused():
    with pytest.raises(UsageError, match="input: its values on these images are not finite"):
        observe(small(), [torch.full((1, 1, 28, 28), float("nan"))])


def test_a_layer_without_a_range_is_named():
    net = Network(
        "two", (1, 4, 4), (Node("a", ops.Activation("tanh"), ("input",)), Node("b", ops.Flatten(), ("a",))), "b"
    )
    with pytest.raises(UsageError, match="input has no range"):
        quantize_activations(net, {})
