from dataclasses import replace

import pytest
import torch

import convsmith
from convsmith.errors import WeightsError
from convsmith.model import Model
from convsmith.network.preprocess import Preprocess
from convsmith.transform.part import trunk_and_head
from convsmith.transform.reorder import pool_before_rectifier


def made(name="resnet20", classes=3, input=(3, 32, 32)):
    net = convsmith.create(name, classes=classes, input=input)
    preprocess = Preprocess(input[0], input[1:], input[1:], (0.5,) * input[0], (0.25,) * input[0])
    return Model(net, convsmith.build(net, seed=7).state_dict(), tuple("abcdefgh"[:classes]), preprocess)


def without(model, key):
    return {name: tensor for name, tensor in model.weights.items() if name != key}


def test_the_weights_are_the_networks_parameters_and_nothing_else():
    model = made()
    assert list(model.weights) == list(model.network.parameters)


def test_the_module_answers_as_the_one_that_the_weights_came_from():
    source = convsmith.build(convsmith.create("resnet20", classes=3, input=(3, 32, 32)), seed=7).eval()
    model, images = made(), torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(model.module()(images), source(images))


def test_the_module_is_in_evaluation_mode_and_its_counters_are_zero():
    module = made().module()
    counters = [tensor for key, tensor in module.state_dict().items() if key.endswith("num_batches_tracked")]
    assert not module.training
    assert counters
    assert all(counter == 0 for counter in counters)


def test_training_the_module_leaves_the_model_alone():
    model = made("lenet5", input=(1, 28, 28))
    before = {key: tensor.clone() for key, tensor in model.weights.items()}
    with torch.no_grad():
        for parameter in model.module().parameters():
            parameter.add_(1)
    assert all(torch.equal(model.weights[key], before[key]) for key in before)


def test_a_missing_weight_is_named():
    model = made()
    with pytest.raises(WeightsError, match=r"the weights lack layer1\.0\.conv1\.weight$"):
        replace(model, weights=without(model, "layer1.0.conv1.weight"))


def test_a_weight_left_over_is_named():
    model = made()
    with pytest.raises(WeightsError, match=r"has no parameter spare\.weight"):
        replace(model, weights={**model.weights, "spare.weight": torch.zeros(2)})


def test_a_shape_that_does_not_fit_is_named():
    model = made()
    with pytest.raises(WeightsError, match=r"fc\.bias has shape \(4,\), its layer needs \(3,\)"):
        replace(model, weights={**model.weights, "fc.bias": torch.zeros(4)})


def test_integers_are_no_weights():
    model = made()
    with pytest.raises(WeightsError, match=r"fc\.bias is torch\.int64"):
        replace(model, weights={**model.weights, "fc.bias": torch.zeros(3, dtype=torch.int64)})


def test_as_many_class_names_as_outputs():
    with pytest.raises(WeightsError, match="2 class names for 3 outputs"):
        replace(made(), classes=("a", "b"))


def test_a_part_gets_its_weights_and_refuses_to_run_without_one():
    model = made()
    trunk, head = trunk_and_head(model.network)
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(model.module(head)(model.module(trunk)(images)), model.module()(images))
    with pytest.raises(WeightsError, match="the weights lack"):
        made("lenet5", input=(3, 32, 32)).module(trunk)


def test_a_cheaper_order_gives_the_same_bits():
    model, images = made("lenet5_caffe", input=(1, 28, 28)), torch.randn(2, 1, 28, 28)
    with torch.inference_mode():
        assert torch.equal(model.module(pool_before_rectifier(model.network))(images), model.module()(images))


def test_inference_has_neither_auxiliary_heads_nor_their_weights():
    model = made("googlenet", input=(3, 224, 224))
    assert model.network.auxiliary
    assert not model.inference.network.auxiliary
    assert set(model.inference.weights) == set(model.network.inference.parameters)


def test_half_precision_weights_run_in_float32():
    model = made("lenet5", input=(1, 28, 28))
    halved = replace(model, weights={key: tensor.half() for key, tensor in model.weights.items()})
    assert {parameter.dtype for parameter in halved.module().parameters()} == {torch.float32}
