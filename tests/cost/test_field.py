"""Receptive fields against gradients: which pixels reach one output position when all weights are positive."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convsmith import build, cost_of, create
from convsmith.network import Network
from convsmith.network import builder as nn

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
