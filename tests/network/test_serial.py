"""Networks as JSON: what is written is read back equal, and anything else is refused with a usage error."""

from __future__ import annotations

import copy
import json
from typing import get_args

import pytest
from hypothesis import given, settings, strategies as st

from convsmith.errors import ShapeError, UnknownNameError, UsageError
from convsmith.network import Network, Node, builder as nn, ops
from convsmith.network.init import GLOROT, HE_FAN_IN, LECUN, Init
from convsmith.network.ops.pointwise import Function

small = st.integers(1, 5)
pairs = st.tuples(small, small)
paddings = st.one_of(st.just("same"), st.tuples(*[st.integers(0, 2)] * 4))
inits = st.one_of(st.sampled_from([HE_FAN_IN, GLOROT, LECUN]), st.builds(Init, st.just("normal"), st.floats(0, 1)))
functions = st.sampled_from(get_args(Function))
fractions = st.floats(0, 1)
limits = st.one_of(st.none(), st.floats(-1, 1))
edges = st.tuples(*[st.integers(-1, 2)] * 4)
axes = st.sampled_from([(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])
sizes = st.lists(st.one_of(small, st.just(-1)), min_size=1, max_size=4).map(tuple)
modes = st.sampled_from(["nearest", "nearest_exact", "bilinear", "bicubic"])
axis = st.integers(0, 2)
triples = st.tuples(small, small, small)

OP_STRATEGIES: dict[str, st.SearchStrategy[ops.Op]] = {
    "activation": st.builds(ops.Activation, functions),
    "adaptive_avg_pool": st.builds(ops.AdaptiveAvgPool, pairs),
    "adaptive_max_pool": st.builds(ops.AdaptiveMaxPool, pairs),
    "add": st.just(ops.Add()),
    "affine": st.just(ops.Affine()),
    "alpha_dropout": st.builds(ops.AlphaDropout, fractions),
    "avg_pool": st.builds(ops.AvgPool, pairs, pairs, paddings, st.booleans(), st.booleans()),
    "batch_norm": st.builds(ops.BatchNorm, st.floats(1e-9, 1), fractions, st.booleans(), inits, st.booleans()),
    "celu": st.builds(ops.CELU, fractions),
    "channel_shuffle": st.builds(ops.ChannelShuffle, small),
    "clip": st.builds(ops.Clip, limits, limits),
    "concat": st.builds(ops.Concat, axis),
    "constant": st.builds(ops.Constant, triples, st.booleans(), inits),
    "conv": st.builds(ops.Conv, small, pairs, pairs, paddings, pairs, small, st.booleans(), inits, inits),
    "conv_transpose": st.builds(
        ops.ConvTranspose, small, pairs, pairs, st.booleans(), inits, st.tuples(*[small] * 4), pairs, pairs, small
    ),
    "divide": st.just(ops.Divide()),
    "dropout": st.builds(ops.Dropout, fractions, st.sampled_from(["element", "channel"])),
    "elu": st.builds(ops.ELU, fractions),
    "expand": st.builds(ops.Expand, triples),
    "fixed_norm": st.just(ops.FixedNorm()),
    "flatten": st.builds(ops.Flatten, axis),
    "group_norm": st.builds(ops.GroupNorm, small, fractions, st.booleans(), st.booleans(), inits),
    "hardshrink": st.builds(ops.Hardshrink, fractions),
    "instance_norm": st.builds(ops.InstanceNorm, fractions, fractions, *[st.booleans()] * 3),
    "l2_norm": st.builds(ops.L2Norm, axes, fractions),
    "layer_norm": st.builds(ops.LayerNorm, axes, fractions, st.booleans(), st.booleans()),
    "leaky_relu": st.builds(ops.LeakyReLU, fractions),
    "linear": st.builds(ops.Linear, small, st.booleans(), inits, inits),
    "local_response_norm": st.builds(ops.LocalResponseNorm, small, fractions, fractions, fractions),
    "log_softmax": st.builds(ops.LogSoftmax, axis),
    "lp_pool": st.builds(ops.LpPool, pairs, pairs, paddings, st.booleans(), st.floats(1, 4)),
    "matmul": st.just(ops.MatMul()),
    "max_pool": st.builds(ops.MaxPool, pairs, pairs, paddings, st.booleans(), pairs),
    "maximum": st.just(ops.Maximum()),
    "minimum": st.just(ops.Minimum()),
    "multiply": st.just(ops.Multiply()),
    "pad": st.builds(
        ops.Pad, edges, pairs, st.sampled_from(["constant", "reflect", "replicate", "circular"]), fractions
    ),
    "permute": st.builds(ops.Permute, st.permutations([0, 1, 2]).map(tuple)),
    "pixel_shuffle": st.builds(ops.PixelShuffle, small),
    "pixel_unshuffle": st.builds(ops.PixelUnshuffle, small),
    "power": st.just(ops.Power()),
    "prelu": st.builds(ops.PReLU, st.booleans(), inits),
    "quantize": st.builds(ops.Quantize, st.floats(1e-9, 1e9), st.integers(0, 7), st.integers(3, 8)),
    "radial_basis": st.builds(ops.RadialBasis, small),
    "reduce": st.builds(ops.Reduce, st.sampled_from(["mean", "sum", "max", "min", "l2"]), axes, st.booleans()),
    "repeat": st.builds(ops.Repeat, triples),
    "reshape": st.builds(ops.Reshape, sizes),
    "resize": st.builds(ops.Resize, pairs, modes, st.booleans()),
    "rms_norm": st.builds(ops.RMSNorm, axes, fractions, st.booleans()),
    "scale": st.builds(ops.Scale, fractions, fractions),
    "skip_init": st.just(ops.SkipInit()),
    "slice": st.builds(ops.Slice, st.just(0), small, axis, small),
    "softmax": st.builds(ops.Softmax, axis),
    "softplus": st.builds(ops.Softplus, fractions),
    "softshrink": st.builds(ops.Softshrink, fractions),
    "standardized_conv": st.builds(
        ops.StandardizedConv, small, pairs, pairs, paddings, pairs, small, st.just(True), inits, inits, fractions, inits
    ),
    "stochastic_depth": st.builds(ops.StochasticDepth, fractions),
    "subtract": st.just(ops.Subtract()),
    "table_conv": st.builds(ops.TableConv, st.just(((0, 1), (1, 2))), pairs, inits),
    "upsample": st.builds(ops.Upsample, st.tuples(st.floats(0.25, 3), small), modes, st.booleans()),
}


@st.composite
def fitting_networks(draw: st.DrawFn) -> Network:
    """Random ops in a random graph; those that do not fit where they were drawn are left out."""
    shape = draw(st.tuples(small, st.integers(4, 12), st.integers(4, 12)))
    net = Network("random", shape, (Node("start.0.relu1", ops.Activation("relu"), ("input",)),), "start.0.relu1")
    for i in range(draw(st.integers(0, 8))):
        op = draw(st.one_of(*OP_STRATEGIES.values()))
        sources = draw(st.lists(st.sampled_from(list(net.shapes)), min_size=1, max_size=3))
        node = Node(f"stage{i // 4}.{i}.{op.kind}", op, tuple(sources[: op.arity]))
        larger = Network(net.name, shape, (*net.nodes, node), node.name)
        try:
            _ = larger.shapes
        except ShapeError:
            continue
        net = larger
    return net


def example() -> Network:
    """Every feature of the format: branches, auxiliary head, shared parameters, initialisers, nested tuples."""

    def family(x: nn.Tensor) -> nn.Tensor:
        with nn.scope("stem"):
            x = nn.conv_norm_act(x, 4, 3)
            table = nn.table_conv(x, ((0, 1), (1, 2, 3)), 3)
        first = nn.conv(x, 4, 3, bias=Init("normal", 0.01), name="shared")
        y = nn.add(x, nn.again(nn.max_pool(first, 1), first), nn.conv(x, 4, 1, stride=1))
        nn.auxiliary(nn.linear(table, 5), 0.3)
        return nn.linear(nn.dropout(nn.global_avg_pool(nn.concat(x, y)), 0.2), 5, init=Init("normal", 0.01))

    return nn.write("example", (3, 8, 9), family)


def test_there_is_a_strategy_for_every_op():
    assert OP_STRATEGIES.keys() == ops.OPS.keys()


@given(fitting_networks())
def test_a_network_reads_back_equal(net):
    text = json.dumps(net.to_json(), allow_nan=False)
    again = Network.from_json(text)
    assert again == net
    assert hash(again) == hash(net)
    assert again.shapes == net.shapes
    assert json.dumps(again.to_json()) == text


@given(st.one_of(*OP_STRATEGIES.values()))
def test_an_op_reads_back_equal_whatever_its_fields(op):
    from convsmith.network import serial

    node = Node("layer", op, ("input",) * (2 if op.arity is None else op.arity))
    assert serial._node_from_json(json.loads(json.dumps(serial._node_to_json(node)))) == node


def test_the_example_reads_back_equal():
    assert Network.from_json(json.dumps(example().to_json())) == example()


def test_fields_at_their_defaults_are_left_out():
    written = next(node for node in example().to_json()["nodes"] if node["op"] == "batch_norm")
    assert written.keys() == {"name", "op", "inputs"}


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """The paths to every value inside a JSON value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


EXAMPLE = example().to_json()
PLACES = [place for place in places(EXAMPLE) if place]
junk = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 3),
        st.integers(),
        st.floats(),
        st.sampled_from(["", "same", "input", "conv", "relu", "signs", "stem.conv1", "é\0", "two\nlines", "a..b"]),
    ),
    lambda child: st.one_of(
        st.lists(child, max_size=4),
        st.dictionaries(st.sampled_from(["name", "op", "init", "value", "node", "inputs"]), child, max_size=3),
    ),
    max_leaves=6,
)


@settings(max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.one_of(st.just("delete"), junk)), min_size=1, max_size=3))
def test_mutated_json_is_a_network_or_a_usage_error(mutations):
    data = copy.deepcopy(EXAMPLE)
    for path, value in mutations:
        parent = data
        try:
            for key in path[:-1]:
                parent = parent[key]
            if value == "delete":
                del parent[path[-1]]
            else:
                parent[path[-1]] = value
        except (KeyError, IndexError, TypeError):  # an earlier mutation removed this place
            continue
    message = ""
    try:
        net = Network.from_json(data)
    except UsageError as error:
        message = str(error)
    else:
        assert Network.from_json(net.to_json()) == net
        assert isinstance(hash(net), int)
    assert "\n" not in message


@given(junk)
def test_any_other_json_is_a_usage_error(value):
    with pytest.raises(UsageError):
        Network.from_json(json.dumps(value))


@given(st.integers(0, len(json.dumps(EXAMPLE)) - 1))
def test_truncated_text_is_a_usage_error(length):
    with pytest.raises(UsageError, match="not JSON"):
        Network.from_json(json.dumps(EXAMPLE)[:length])


def test_endless_nesting_is_a_usage_error():
    with pytest.raises(UsageError):
        Network.from_json("[" * 200_000)


def changed(index: int, **fields: object) -> dict[str, object]:
    data = copy.deepcopy(EXAMPLE)
    data["nodes"][index].update(fields)
    return data


def test_errors_name_the_layer_and_what_would_be_right():
    with pytest.raises(UsageError, match=r"stem\.conv1: conv has no field 'filters'; it has: channels, kernel"):
        Network.from_json(changed(0, filters=3))
    with pytest.raises(UsageError, match=r"stem\.conv1: conv cannot have kernel = 3"):
        Network.from_json(changed(0, kernel=3))
    with pytest.raises(UnknownNameError, match="unknown op 'convv'; nearest: conv"):
        Network.from_json(changed(0, op="convv"))
    with pytest.raises(UnknownNameError, match="unknown initialiser 'he_fan'; nearest: he_fan_"):
        Network.from_json(changed(0, init={"init": "he_fan", "value": 0}))
    with pytest.raises(ShapeError, match=r"stem\.conv1: window of 99 is larger"):
        Network.from_json(changed(0, kernel=[99, 99]))
    with pytest.raises(ShapeError, match=r"stem\.bn1: batch_norm takes 1 inputs, got 2"):
        Network.from_json(changed(1, inputs=["stem.conv1", "input"]))


@pytest.mark.parametrize("name", ["", "a..b", ".a", "a.", "a b", "a/b", "a\nb", 3, None])
def test_names_that_no_module_could_have_are_refused(name):
    with pytest.raises(UsageError, match=r"is not a (layer's )?name"):
        Network.from_json(changed(-1, name=name))


def test_another_format_is_refused():
    with pytest.raises(UsageError, match="not a network in format 1"):
        Network.from_json({**EXAMPLE, "format": 2})


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(UsageError, match="cannot have eps = nan"):
        Network.from_json(changed(1, eps=float("nan")))
