"""The language that families are written in."""

from __future__ import annotations

import pytest

from convsmith.errors import ShapeError, UsageError
from convsmith.network import Network, builder as nn, ops
from convsmith.network.dialect import Dialect, speaking
from convsmith.network.init import HE_FAN_OUT, ZEROS


def write(family, shape=(3, 16, 16)) -> Network:
    return nn.write("net", shape, family)


def names(family) -> list[str]:
    return [node.name for node in write(family)]


def test_layers_are_numbered_by_kind_within_their_scope():
    def family(x):
        x = nn.relu(nn.conv(nn.conv(x, 4, 3), 4, 3))
        for i in range(2):
            with nn.scope(f"layer1.{i}"):
                x = nn.conv(x, 4, 3)
                with nn.scope("branch"):
                    x = nn.conv(x, 4, 3)
        return x

    assert names(family) == [
        "conv1",
        "conv2",
        "relu1",
        "layer1.0.conv1",
        "layer1.0.branch.conv1",
        "layer1.1.conv1",
        "layer1.1.branch.conv1",
    ]


def test_a_given_name_is_kept_within_its_scope():
    def family(x):
        with nn.scope("head"):
            return nn.linear(nn.flatten(x, name="flat"), 10, name="classifier")

    assert names(family) == ["head.flat", "head.classifier"]


def test_a_name_given_twice_is_refused():
    with pytest.raises(UsageError, match="two layers are named 'c'"):
        write(lambda x: nn.relu(nn.relu(x, name="c"), name="c"))


def test_an_error_leaves_no_scope_behind():
    def fails(x):
        with nn.scope("outer"):
            return nn.conv(x, 4, 99, padding=(0, 0, 0, 0))

    with pytest.raises(ShapeError, match=r"outer\.conv1: window of 99"):
        write(fails)
    assert names(lambda x: nn.relu(x)) == ["relu1"]


def test_shapes_inferred_while_writing_are_those_inferred_afterwards():
    def family(x):
        y = nn.max_pool(nn.conv_norm_act(x, 8, 3, 2), 2)
        return nn.linear(nn.concat(y, nn.avg_pool(y, 3, 1, padding=(1, 1, 1, 1))), 10)

    net = write(family)
    assert net.shapes == Network(net.name, net.input, net.nodes, net.output).shapes


def test_convolutions_keep_the_size_unless_told():
    for kernel in (1, 3, 5, (1, 7)):
        assert write(lambda x, k=kernel: nn.conv(x, 4, k)).shapes["conv1"] == (4, 16, 16)
    assert write(lambda x: nn.conv(x, 4, 5, padding=(0, 0, 0, 0))).shapes["conv1"] == (4, 12, 12)


def test_dialects_decide_padding_norm_and_bias():
    def family(x):
        return nn.conv_norm(x, 4, 3, 2)

    ours = write(family)
    with speaking(Dialect(same_padding=True, norm_eps=1e-3, norm_momentum=0.01, bias_before_norm=True)):
        theirs = write(family)
    assert ours["conv1"].op == ops.Conv(4, (3, 3), (2, 2), (1, 1, 1, 1))
    assert ours["bn1"].op == ops.BatchNorm(1e-5, 0.1)
    assert theirs["conv1"].op == ops.Conv(4, (3, 3), (2, 2), "same", bias=True, init=HE_FAN_OUT, bias_init=ZEROS)
    assert theirs["bn1"].op == ops.BatchNorm(1e-3, 0.01)
    assert write(family) == ours


def test_linear_flattens_a_map_first():
    assert write(lambda x: nn.linear(x, 10)).shapes == {
        "input": (3, 16, 16),
        "flatten1": (768,),
        "fc1": (10,),
    }


def test_a_branch_that_is_never_dropped_gets_no_layer():
    assert names(lambda x: nn.stochastic_depth(nn.relu(x), 0.0)) == ["relu1"]
    assert names(lambda x: nn.stochastic_depth(nn.relu(x), 0.1)) == ["relu1", "drop1"]


def test_an_auxiliary_head_must_be_a_vector():
    def family(x):
        nn.auxiliary(nn.relu(x, name="map"), 0.3)
        return x

    with pytest.raises(UsageError, match="auxiliary head map must be a vector"):
        write(family)


def test_shared_layers_name_their_owner():
    def family(x):
        first = nn.conv(x, 3, 3, name="first")
        return nn.again(first, first)

    assert write(family)["conv1"].shares == "first"


def test_tensors_print_their_name_and_shape():
    seen = []
    write(lambda x: seen.append(nn.relu(x)) or seen[0])
    assert repr(seen[0]) == "Tensor(relu1, 3x16x16)"
    assert seen[0].channels == 3
