"""What becomes one operator, by engine."""

from __future__ import annotations

import numpy
import pytest

import convsmith
from convsmith.devices.measure import runner
from convsmith.devices.measure.graphs import graph_of
from convsmith.devices.measure.samples import sample_network
from convsmith.devices.plan import Planned, plan
from convsmith.network.builder import Tensor, add, channel_slice, concat, conv, conv_norm_act, relu, write
from convsmith.telemetry import import_onnxruntime
from convsmith.zoo.blocks import squeeze_excite


def kinds(planned: tuple[Planned, ...]) -> list[tuple[str, str, int]]:
    return [(one.unit.kind, one.unit.function, one.unit.inputs) for one in planned]


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_residual_block_is_two_convolutions(engine: str) -> None:
    planned = plan(convsmith.create("resnet18"), engine)
    block = [one for one in planned if one.layers[0].startswith("layer1.0.")]
    assert kinds(tuple(block)) == [("conv", "relu", 1), ("conv", "relu", 2)]
    assert block[1].layers == ("layer1.0.conv2", "layer1.0.bn2", "layer1.0.add1", "layer1.0.relu2")


def test_eager_pytorch_fuses_nothing() -> None:
    net = convsmith.create("resnet18")
    planned = plan(net, "pytorch")
    assert len(planned) == len(net) - 1 + 1  # the flattening is a view, the softmax is added
    assert all(len(one.layers) <= 2 for one in planned)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "pytorch"])
@pytest.mark.parametrize(
    "name", ["densenet121", "efficientnet_b0", "inception_v3", "nasnet_mobile", "shufflenet_v2_x1_0", "unet", "lenet5"]
)
def test_every_layer_belongs_to_one_operator_at_most(engine: str, name: str) -> None:
    net = convsmith.create(name)
    layers = [layer for one in plan(net, engine) if one.unit.kind != "reorder" for layer in one.layers]
    assert len(layers) == len(set(layers))
    computing = {node.name for node in net.inference if node.op.kind in ("conv", "linear", "batch_norm")}
    assert computing <= set(layers)


def test_the_layout_changes_where_a_layer_needs_it() -> None:
    def family(image: Tensor) -> Tensor:
        x = conv_norm_act(image, 32, 3)
        return conv_norm_act(channel_slice(x, 0, 16), 32, 3)

    planned = plan(write("sliced", (3, 16, 16), family), "onnxruntime")
    assert [one.unit.kind for one in planned] == ["stem", "reorder", "move", "reorder", "conv", "reorder", "softmax"]
    assert [one.unit.blocked for one in planned if one.unit.kind == "reorder"] == [False, True, False]


def test_a_value_is_brought_to_a_layout_once() -> None:
    def family(image: Tensor) -> Tensor:
        x = conv_norm_act(image, 32, 3)
        return concat(squeeze_excite(x, 8), channel_slice(x, 0, 16))

    planned = plan(write("twice", (3, 16, 16), family), "onnxruntime")
    reordered = [one.layers[0] for one in planned if one.unit.kind == "reorder"]
    assert reordered == ["se.act1", "relu1", "se.act2"]  # relu1 for the product and for the slice


def test_a_sum_whose_map_is_read_elsewhere_stays_a_sum() -> None:
    def family(image: Tensor) -> Tensor:
        x = conv(image, 16, 3)
        y = relu(x)
        return add(x, conv(y, 16, 3), relu(y))

    planned = plan(write("read_twice", (3, 8, 8), family), "onnxruntime")
    assert ("sum", "", 3) in kinds(planned)


def test_equal_layers_are_computed_once() -> None:
    def family(image: Tensor) -> Tensor:
        x = conv(image, 16, 3)
        return add(conv(relu(x), 16, 3), conv(relu(x), 16, 3))

    net = write("twins", (3, 8, 8), family)
    assert sum(one.unit.function == "relu" for one in plan(net, "pytorch")) == 2
    assert [one.unit.kind for one in plan(net, "openvino")] == ["stem", "conv", "conv", "softmax"]


@pytest.mark.parametrize("number", [2, 3, 5])
def test_the_plan_is_what_onnx_runtime_runs(number: int) -> None:
    network = sample_network(number)
    _, nodes = runner.measure(import_onnxruntime(), numpy, graph_of(network), 1)
    ran = [node for node in nodes if node[1] not in ("ReorderInput", "ReorderOutput", "Flatten")]
    planned = [one for one in plan(network, "onnxruntime") if one.unit.kind != "reorder"]
    assert abs(len(ran) - len(planned)) <= 0.1 * len(planned)
