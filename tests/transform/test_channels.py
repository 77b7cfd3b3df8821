"""Which channels go together, op by op; and that what is left computes what the whole did with the rest at zero."""

from __future__ import annotations

import pytest

from convsmith import create
from convsmith.errors import UsageError
from convsmith.network import Network, builder as nn, ops
from convsmith.network.ops.base import Elementwise, operation
from convsmith.transform.channels import Channels, channels_of, without
from convsmith.transform.channels.follow import follow

SIDE = 8


def written(family) -> Network:
    """The network of a family for images of 3x8x8."""
    return nn.write("test", (3, SIDE, SIDE), family)


def head(x: nn.Tensor) -> nn.Tensor:
    return nn.linear(nn.global_avg_pool(x), 5, name="head")


def conv(x: nn.Tensor, channels: int, name: str, kernel: int = 3, **settings) -> nn.Tensor:
    return nn.relu(nn.batch_norm(nn.conv(x, channels, kernel, name=name, **settings)))


def made_by(channels: Channels, layer: str) -> tuple[int, ...]:
    """The units of a layer's output channels."""
    return next(s.units for s in channels.slots if s.node == layer and s.role == "output")


def kept(channels: Channels) -> dict[str, str]:
    return {one.layer: one.reason for one in channels.kept}


@pytest.mark.parametrize("kind", ops.OPS.values(), ids=lambda kind: kind.__name__)
def test_every_op_has_a_rule(kind):
    assert follow.dispatch(kind) is not follow.dispatch(object)


@operation
class Sorted(Elementwise):
    """Its channels in ascending order: an op that this package does not know."""

    kind = "sorted"

    def shape(self, *inputs):
        return inputs[0]


def test_an_op_without_a_rule_is_named():
    net = written(lambda x: head(nn.apply(Sorted(), conv(x, 4, "a"), name="sorting")))
    with pytest.raises(UsageError, match="sorting: op Sorted has no rule for its channels"):
        channels_of(net)


def test_what_is_added_goes_together():
    def family(x):
        x = conv(x, 6, "a")
        return head(nn.add(x, conv(x, 6, "b")))

    channels = channels_of(written(family))
    assert made_by(channels, "a") == made_by(channels, "b") == (0, 1, 2, 3, 4, 5)


def test_a_gate_goes_with_what_it_multiplies():
    def family(x):
        x = conv(x, 6, "a")
        gate = nn.conv(nn.relu(nn.conv(nn.global_avg_pool(x), 2, 1, name="squeeze")), 6, 1, name="excite")
        return head(nn.multiply(x, nn.activation(gate, "sigmoid")))

    channels = channels_of(written(family))
    assert made_by(channels, "excite") == made_by(channels, "a")
    assert set(made_by(channels, "squeeze")).isdisjoint(made_by(channels, "a"))


def test_concatenated_branches_stay_apart():
    channels = channels_of(written(lambda x: head(conv(nn.concat(conv(x, 4, "a"), conv(x, 2, "b")), 3, "c"))))
    (inputs,) = [s.units for s in channels.slots if s.node == "c" and s.role == "input"]
    assert inputs == (*made_by(channels, "a"), *made_by(channels, "b"))
    assert len(set(inputs)) == 6


def test_flattened_positions_go_with_their_channel():
    channels = channels_of(written(lambda x: nn.linear(nn.flatten(conv(x, 4, "a")), 5, name="head")))
    (inputs,) = [s.units for s in channels.slots if s.node == "head" and s.role == "input"]
    assert inputs == tuple(unit for unit in made_by(channels, "a") for _ in range(SIDE * SIDE))


def test_a_depthwise_convolution_follows_its_input():
    channels = channels_of(written(lambda x: head(conv(conv(x, 4, "a"), 8, "b", groups=4))))
    assert made_by(channels, "b") == tuple(unit for unit in made_by(channels, "a") for _ in range(2))
    assert without(channels, {0})["b"].op.groups == 3


def test_few_wide_groups_lose_the_same_places_and_many_narrow_ones_whole_groups():
    wide = channels_of(written(lambda x: head(conv(conv(x, 8, "a"), 12, "b", groups=2))))
    narrow = channels_of(written(lambda x: head(conv(conv(x, 8, "a"), 8, "b", groups=4))))
    assert made_by(wide, "a") == (0, 1, 2, 3, 0, 1, 2, 3)
    assert without(wide, {0})["b"].op.groups == 2
    assert made_by(narrow, "a") == made_by(narrow, "b") == (0, 0, 1, 1, 2, 2, 3, 3)
    assert without(narrow, {0})["b"].op.groups == 3


def test_a_shuffle_written_out_ties_what_the_op_ties():
    def written_out(x):
        x = nn.reshape(conv(x, 12, "a"), (3, 4, SIDE, SIDE))
        return head(nn.reshape(nn.permute(x, (1, 0, 2, 3)), (12, SIDE, SIDE)))

    op = channels_of(written(lambda x: head(nn.channel_shuffle(conv(x, 12, "a"), 3))))
    assert made_by(op, "a") == made_by(channels_of(written(written_out)), "a") == (0, 1, 2, 3) * 3


def test_shared_parameters_lose_the_same_channels():
    def family(x):
        first = nn.conv(conv(x, 6, "a"), 6, 3, name="b")
        return head(nn.again(nn.relu(first), first))

    channels = channels_of(written(family))
    assert made_by(channels, "a") == made_by(channels, "b")
    assert not [s for s in channels.slots if s.node == "conv1"]


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (ops.LocalResponseNorm(), "sums over neighbouring channels"),
        (ops.LayerNorm((0,)), "normalises over all of them"),
        (ops.RMSNorm((0,)), "normalises over all of them"),
        (ops.L2Norm((0,)), "normalises over all of them"),
        (ops.GroupNorm(1), "normalises over all of them"),
        (ops.Softmax(0), "divides by a sum over all of them"),
        (ops.Reduce("mean", (0,), keep=True), "takes the mean of them"),
    ],
    ids=lambda value: value.kind if isinstance(value, ops.Op) else "",
)
def test_what_mixes_channels_keeps_them_and_says_why(layer, reason):
    channels = channels_of(written(lambda x: head(nn.apply(layer, conv(x, 8, "a")))))
    assert channels.units == 0
    assert reason in kept(channels)["a"]


def test_outputs_keep_their_channels():
    def family(x):
        x = conv(x, 8, "a")
        nn.auxiliary(nn.linear(nn.global_avg_pool(x), 5, name="aux"), 0.3)
        return head(x)

    assert kept(channels_of(written(family))) == {"aux": "aux is an output", "head": "head is an output"}


def test_a_pad_loses_the_channels_that_it_adds():
    def family(x):
        x = conv(x, 4, "a")
        return head(nn.add(nn.pad(x, channels=(2, 2)), conv(x, 8, "b")))

    channels = channels_of(written(family))
    smaller = without(channels, {made_by(channels, "b")[0], made_by(channels, "b")[2]})
    assert smaller["pad1"].op.channels == (1, 2)


def test_a_slice_moves_with_what_is_left():
    def family(x):
        x = conv(x, 8, "a")
        return head(nn.concat(nn.channel_slice(x, 4, 8), nn.channel_slice(x, 0, 4)))

    smaller = without(channels_of(written(family)), {0, 7})
    assert (smaller["slice1"].op.start, smaller["slice1"].op.stop) == (3, 6)


def attention(x: nn.Tensor) -> nn.Tensor:
    """Two heads of width 4 over the positions, from one dense layer for queries, keys and values."""
    tokens = nn.permute(nn.reshape(conv(x, 8, "a", stride=2), (8, 16)), (1, 0))
    qkv = nn.permute(nn.reshape(nn.apply(ops.Linear(24), tokens, name="qkv"), (16, 3, 2, 4)), (1, 2, 0, 3))
    q, k, v = (nn.reshape(nn.apply(ops.Slice(i, i + 1), qkv), (2, 16, 4)) for i in range(3))
    weights = nn.softmax(nn.matmul(q, nn.permute(k, (0, 2, 1))), 2)
    mixed = nn.reshape(nn.permute(nn.matmul(weights, v), (1, 0, 2)), (16, 8))
    tokens = nn.add(tokens, nn.apply(ops.Linear(8), mixed, name="out"))
    return head(nn.reshape(nn.permute(tokens, (1, 0)), (8, 4, 4)))


def test_heads_stay_and_lose_width():
    channels = channels_of(written(attention))
    units = made_by(channels, "qkv")
    assert units[:4] == units[4:8] == units[8:12] == units[12:16]
    assert len(set(units)) == 4


def test_a_network_that_loses_nothing_is_itself():
    net = create("lenet5")
    assert without(channels_of(net), ()) is net


def test_what_was_stored_in_few_bits_and_is_cut_is_stored_in_float32():
    from convsmith.network.storage import IntegerStorage, with_storage

    net = written(lambda x: head(conv(conv(x, 4, "a"), 4, "b")))
    net = with_storage(net, {"a.weight": IntegerStorage(8, 0), "head.bias": IntegerStorage(8)})
    smaller = without(channels_of(net), {0})
    assert [stored.parameter for stored in smaller.storage] == ["head.bias"]
