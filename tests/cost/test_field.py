"""Receptive fields against gradients: which pixels reach one output position when all weights are positive."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings, strategies as st

from convsmith import build, cost_of, create
from convsmith.network import Network, builder as nn, ops

SIDE = 48
layers = st.tuples(
    st.sampled_from(["conv", "pool"]), st.integers(1, 4), st.integers(1, 2), st.integers(0, 2), st.integers(1, 2)
)


def reached(net: Network, row: int, column: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """(first, last) input row and column that change one output position."""
    module = build(net).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(1.0)
    image = torch.ones(1, *net.input, requires_grad=True)
    module(image)[0, :, row, column].sum().backward()
    assert image.grad is not None
    touched = image.grad[0].abs().sum(0) > 0
    rows, columns = touched.any(1).nonzero().flatten(), touched.any(0).nonzero().flatten()
    return (int(rows[0]), int(rows[-1])), (int(columns[0]), int(columns[-1]))


def predicted(net: Network, row: int, column: int) -> tuple[tuple[int, int], tuple[int, int]]:
    field = cost_of(net).fields[net.output]
    spans = [(a.start + i * a.stride, a.end + i * a.stride) for a, i in ((field.height, row), (field.width, column))]
    return spans[0], spans[1]


def chain(x: nn.Tensor, steps: list[tuple[str, int, int, int, int]]) -> nn.Tensor:
    for kind, kernel, stride, edge, dilation in steps:
        padding = (edge, edge, edge // 2, edge)
        if kind == "conv":
            x = nn.conv(x, 1, kernel, stride, padding=padding, dilation=dilation, bias=False)
        else:
            x = nn.avg_pool(x, kernel, stride)
    return x


def middle(net: Network) -> tuple[int, int]:
    _, height, width = net.shapes[net.output]
    return height // 2, width // 2


def inside(net: Network) -> bool:
    """Whether the middle position sees no padding."""
    return all(first >= 0 and last < SIDE for first, last in predicted(net, *middle(net)))


@settings(max_examples=25)
@given(st.lists(layers, min_size=1, max_size=4))
def test_a_chain_sees_what_gradients_reach(steps):
    net = nn.write("chain", (1, SIDE, SIDE), lambda x: chain(x, steps))
    assume(inside(net))
    assert reached(net, *middle(net)) == predicted(net, *middle(net))


@settings(max_examples=25)
@given(st.lists(st.integers(0, 2), min_size=2, max_size=4), st.integers(1, 2), st.integers(1, 2))
def test_branches_see_the_union_of_what_gradients_reach(depths, stride, dilation):
    """Branches of different depth and dilation, the last of them shifted by uneven padding."""

    def family(x: nn.Tensor) -> nn.Tensor:
        x = nn.conv(x, 1, 3, stride)
        branches = [x, nn.conv(x, 1, 2, padding=(1, 0, 0, 1))]
        for depth in depths:
            y = x
            for _ in range(depth):
                y = nn.conv(y, 1, 3, dilation=dilation)
            branches.append(y)
        return nn.conv(nn.concat(*branches), 1, 3, 2)

    net = nn.write("branches", (1, SIDE, SIDE), family)
    assume(inside(net))
    assert reached(net, *middle(net)) == predicted(net, *middle(net))


@pytest.mark.parametrize("same", [3, 4, 5])
def test_same_padding_shifts_the_field(same):
    def family(x: nn.Tensor) -> nn.Tensor:
        return nn.conv(nn.conv(x, 1, same, 2, padding="same"), 1, 3, 2, padding="same")

    net = nn.write("same", (1, SIDE, SIDE), family)
    assert reached(net, *middle(net)) == predicted(net, *middle(net))


def test_known_fields():
    """VGG-16 and ResNet-50 as Araujo et al. 2019 list them; LeNet-5's second pooling by hand."""
    assert cost_of(create("vgg16")).field.size == (212, 212)
    assert cost_of(create("resnet50")).field.size == (483, 483)
    lenet = cost_of(create("lenet5")).fields["pool2"]
    assert (lenet.size, lenet.stride) == ((16, 16), (4, 4))


def test_dense_layers_see_all_that_their_map_sees():
    fields = cost_of(create("lenet5")).fields
    assert fields["fc1"].size == (32, 32)
    assert fields["fc3"].size == (32, 32)


def test_the_centre_of_a_centred_stack_is_on_the_first_pixel():
    net = nn.write("net", (1, SIDE, SIDE), lambda x: nn.conv(nn.conv(x, 1, 3, 2), 1, 5))
    assert cost_of(net).field.centre == (0, 0)


def branch(x: nn.Tensor, *steps: ops.Op) -> nn.Tensor:
    for step in steps:
        x = nn.apply(step, x)
    return x


ALONG = {
    "dense over the channels of a permuted map": [ops.Permute((1, 2, 0)), ops.Linear(2), ops.Permute((2, 0, 1))],
    "flattened and unfolded again": [ops.Flatten(1), ops.Softplus(), ops.Reshape((1, SIDE, SIDE))],
    "permuted, flattened and back": [
        ops.Permute((1, 2, 0)),
        ops.Reshape((SIDE * SIDE, 1)),
        ops.Linear(1),
        ops.Permute((1, 0)),
        ops.Reshape((1, SIDE, SIDE)),
    ],
    "dilated pooling": [ops.LpPool((2, 2), (1, 1)), ops.AvgPool((3, 2), (2, 1))],
    "every second row": [ops.Slice(2, SIDE, axis=1, step=2), ops.Slice(1, SIDE, axis=2, step=3)],
    "padding": [ops.Pad((2, 0, 1, 3))],
    "positions as channels": [ops.PixelUnshuffle(3)],
    "sum of columns": [ops.Reduce("sum", (2,), keep=True)],
    "dense over a row": [ops.Linear(SIDE, bias=False), ops.Slice(0, 1, axis=2)],
    "softmax of rows": [ops.Reduce("sum", (0,), keep=True), ops.Reduce("l2", (1,), keep=True)],
}


@pytest.mark.parametrize("case", ALONG)
def test_fields_follow_rows_and_columns_wherever_they_are(case):
    net = nn.write("along", (1, SIDE, SIDE), lambda x: branch(nn.conv(x, 1, 3), *ALONG[case]))
    clipped = tuple((max(a, 0), min(z, SIDE - 1)) for a, z in predicted(net, *middle(net)))
    assert reached(net, *middle(net)) == clipped


def attention(x: nn.Tensor) -> nn.Tensor:
    """Non-local attention (Wang et al. 2018): each position from all."""
    q, k = nn.apply(ops.Flatten(1), x), nn.apply(ops.Flatten(1), nn.conv(x, 1, 1))
    weights = nn.softmax(nn.matmul(nn.permute(q, (1, 0)), k), 1)
    return nn.reshape(nn.matmul(q, nn.permute(weights, (1, 0))), (1, SIDE, SIDE))


def test_attention_sees_the_whole_map():
    net = nn.write("attention", (1, SIDE, SIDE), attention)
    first, last = predicted(net, 0, 0)
    assert first[1] - first[0] == last[1] - last[0] == SIDE - 1


def test_a_transposed_convolution_sees_all_that_its_kernels_reach():
    """Positions between those of the input: no less than what gradients reach, and no more than one position more."""
    for kernel, stride, cut in ((4, 2, 1), (3, 2, 1), (5, 3, 0), (2, 2, 0)):
        op = ops.ConvTranspose(1, (kernel, kernel), (stride, stride), padding=(cut,) * 4)
        net = nn.write("up", (1, SIDE, SIDE), lambda x, op=op: nn.apply(op, nn.conv(x, 1, 3)))
        for row in (30, 31, 32):
            (first, last), _ = reached(net, row, row)
            (start, end), _ = predicted(net, row, row)
            assert start - 1 < first + 1
            assert abs(start - first) < 2
            assert abs(end - last) < 2


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_interpolation_sees_its_taps(mode):
    net = nn.write("up", (1, SIDE, SIDE), lambda x: nn.apply(ops.Upsample((2, 2), mode), nn.conv(x, 1, 3)))
    (first, last), _ = reached(net, 40, 40)
    (start, end), _ = predicted(net, 40, 40)
    assert abs(start - first) < 1
    assert abs(end - last) < 1


def test_a_constant_sees_nothing_and_widens_no_field():
    def family(x: nn.Tensor) -> nn.Tensor:
        y = nn.conv(x, 1, 3, 2, padding=(0, 0, 0, 0))
        return nn.layer_scale(y, 1.0, name="gamma")

    fields = cost_of(nn.write("scaled", (1, SIDE, SIDE), family)).fields
    assert fields["gamma"].size == (0, 0)
    assert fields["multiply1"] == fields["conv1"]
