"""The network value: checks of the graph, names, and the network as it runs after training."""

from __future__ import annotations

import dataclasses

import pytest

from convsmith.errors import ShapeError, UsageError
from convsmith.network import INPUT, Auxiliary, Network, Node, builder as nn, ops
from convsmith.network.dims import Shape

RELU = ops.Activation("relu")
SHAPE = (3, 8, 8)


def network(*nodes: Node, output: str = "a", auxiliary: tuple[Auxiliary, ...] = ()) -> Network:
    return Network("net", SHAPE, nodes, output, auxiliary)


def with_head() -> Network:
    """Two dropouts, an auxiliary head that nothing else reads, and a classifier."""

    def family(x: nn.Tensor) -> nn.Tensor:
        with nn.scope("features"):
            x = nn.dropout(nn.conv(x, 4, 3))
        with nn.scope("aux"):
            nn.auxiliary(nn.linear(nn.dropout(x), 10), 0.3)
        return nn.dropout(nn.linear(x, 10))

    return nn.write("with_head", SHAPE, family)


def test_equal_networks_are_equal_and_hash_alike():
    assert with_head() == with_head()
    assert len({with_head(), with_head()}) == 1
    assert dataclasses.replace(with_head(), name="other") != with_head()


def test_a_network_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        with_head().name = "other"


def test_an_input_must_be_an_earlier_layer():
    with pytest.raises(UsageError, match="b: input 'a' is not an earlier layer"):
        network(Node("b", RELU, ("a",)), Node("a", RELU, (INPUT,)))


def test_names_are_unique_and_input_is_taken():
    with pytest.raises(UsageError, match="two layers are named 'a'"):
        network(Node("a", RELU, (INPUT,)), Node("a", RELU, (INPUT,)))
    with pytest.raises(UsageError, match="two layers are named 'input'"):
        network(Node("input", RELU, (INPUT,)))


def test_outputs_must_be_layers():
    with pytest.raises(UsageError, match="output 'b' is not a layer of net"):
        network(Node("a", RELU, (INPUT,)), output="b")
    with pytest.raises(UsageError, match="output 'c' is not a layer of net"):
        network(Node("a", RELU, (INPUT,)), auxiliary=(Auxiliary("c", 0.3),))


def test_a_layer_that_does_not_fit_is_named():
    with pytest.raises(ShapeError, match="a: window of 9 is larger than its padded input 8"):
        _ = network(Node("a", ops.Conv(1, (9, 9)), (INPUT,))).shapes


def test_a_layer_without_channels_is_refused():
    with pytest.raises(ShapeError, match="a: the output 0x8x8 is empty"):
        _ = network(Node("a", ops.Conv(0, (1, 1)), (INPUT,))).shapes


@pytest.mark.parametrize(("op", "inputs"), [(RELU, ()), (RELU, (INPUT, INPUT)), (ops.Multiply(), (INPUT,))])
def test_the_number_of_inputs_must_be_the_ops(op, inputs):
    with pytest.raises(ShapeError, match=r"a: \w+ takes"):
        _ = network(Node("a", op, inputs)).shapes


def test_shared_parameters_must_fit():
    owner = Node("owner", ops.Conv(3, (3, 3), padding="same"), (INPUT,))
    fits = Node("a", owner.op, ("owner",), shares="owner")
    assert network(owner, fits).parameters.keys() == {"owner.weight"}
    with pytest.raises(ShapeError, match="a: the parameters of owner do not fit"):
        _ = network(owner, Node("a", ops.Conv(3, (1, 1)), ("owner",), shares="owner")).shapes
    with pytest.raises(UsageError, match="a: shares parameters with 'b', which is not an earlier layer"):
        network(Node("a", RELU, (INPUT,), shares="b"))


@pytest.mark.parametrize(
    ("name", "stage", "block"),
    [
        ("conv1", "", ""),
        ("features.conv1", "features", "features"),
        ("layer1.0.conv1", "layer1", "layer1.0"),
        ("layer1.0.downsample.conv1", "layer1", "layer1.0"),
        ("blocks.3.2.se.conv1", "blocks", "blocks.3.2"),
        ("inception4a.branch1.conv1", "inception4a", "inception4a"),
    ],
)
def test_stage_and_block_come_from_the_name(name, stage, block):
    node = Node(name, RELU, (INPUT,))
    assert (node.stage, node.block) == (stage, block)


def test_parameters_are_named_as_a_state_dict():
    assert with_head().parameters.keys() == {
        "features.conv1.weight",
        "features.conv1.bias",
        "aux.fc1.weight",
        "aux.fc1.bias",
        "fc1.weight",
        "fc1.bias",
    }
    assert with_head().parameters["features.conv1.weight"].shape == (4, 3, 3, 3)


def test_inference_leaves_out_heads_and_training_only_layers():
    net = with_head().inference
    assert [node.name for node in net] == ["features.conv1", "flatten1", "fc1"]
    assert net["flatten1"].inputs == ("features.conv1",)
    assert net.output == "fc1"
    assert net.auxiliary == ()
    assert net.inference == net


def test_inference_keeps_the_owner_of_shared_parameters():
    def family(x: nn.Tensor) -> nn.Tensor:
        head = nn.linear(x, 10, name="head")
        nn.auxiliary(head, 0.3)
        y = nn.flatten(nn.relu(x))
        return y.builder.add("fc", ops.Linear(10), (y,), "out", head.name)

    net = nn.write("shared", SHAPE, family).inference
    assert "head" in net.shapes
    assert net["out"].shares == "head"


def test_classes_is_the_length_of_the_output():
    assert with_head().classes == 10
    assert str(with_head()) == "with_head: 8 layers, input 3x8x8"


def test_shapes_hold_the_input_and_every_layer():
    shapes: dict[str, Shape] = dict(with_head().shapes)
    assert shapes[INPUT] == SHAPE
    assert shapes.keys() == {INPUT, *(node.name for node in with_head())}
