"""Every op's shape, parameters and arithmetic, against PyTorch's layer of that name."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from torch import nn

from convsmith.errors import ShapeError, UsageError
from convsmith.network import ops
from convsmith.network.dims import elements

shapes = st.tuples(st.integers(1, 12), st.integers(5, 20), st.integers(5, 20))


def passes(layer: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(layer(torch.zeros(2, *shape)).shape[1:])


def parameters(layer: nn.Module) -> dict[str, tuple[int, ...]]:
    state = {name: tuple(tensor.shape) for name, tensor in layer.state_dict().items()}
    state.pop("num_batches_tracked", None)
    return state


def declared(op: ops.Op, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {parameter.name: parameter.shape for parameter in op.parameters(shape)}


@st.composite
def grouped(draw):
    groups = draw(st.integers(1, 4))
    return groups, groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))


@given(grouped(), st.integers(1, 3), st.integers(1, 2), st.integers(0, 2), st.booleans())
def test_convolution_has_torchs_shape_and_parameters(channels, kernel, stride, edge, bias):
    groups, before, after = channels
    layer = nn.Conv2d(before, after, kernel, stride, edge, groups=groups, bias=bias)
    op = ops.Conv(after, (kernel, kernel), (stride, stride), (edge,) * 4, groups=groups, bias=bias)
    shape = (before, 9, 7)
    assert op.shape(shape) == passes(layer, shape)
    assert declared(op, shape) == parameters(layer)


@given(grouped(), st.integers(1, 3), st.integers(1, 2))
def test_convolution_macs_are_the_multiplications_written_out(channels, kernel, stride):
    groups, before, after = channels
    op = ops.Conv(after, (kernel, kernel), (stride, stride), groups=groups)
    inputs = (before, 6, 5)
    height, width = op.shape(inputs)[1:]
    products = sum(1 for _ in range(height * width) for _ in range(after) for _ in range(before // groups * kernel**2))
    assert op.macs(op.shape(inputs), inputs) == products


def test_inception_papers_bottleneck_example():
    """28x28x32 of 5x5x192 costs 120 M multiplications, through 16 channels 12.4 M."""
    direct, reduce, expand = ops.Conv(32, (5, 5), padding="same"), ops.Conv(16, (1, 1)), ops.Conv(32, (5, 5))
    wide, narrow, output = (192, 28, 28), (16, 28, 28), (32, 28, 28)
    assert direct.macs(output, wide) == 120_422_400
    assert reduce.macs(narrow, wide) + expand.macs(output, narrow) == 12_443_648


def test_depthwise_separable_example():
    """5x5 over 12x12x3 to 8x8x128 costs 614,400 multiplications, depthwise separable 29,376."""
    image, narrow, output = (3, 12, 12), (3, 8, 8), (128, 8, 8)
    assert ops.Conv(128, (5, 5)).macs(output, image) == 614_400
    depthwise, pointwise = ops.Conv(3, (5, 5), groups=3), ops.Conv(128, (1, 1))
    assert depthwise.macs(narrow, image) + pointwise.macs(output, narrow) == 29_376


@given(shapes, st.integers(1, 6), st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_transposed_convolution_has_torchs_shape_and_parameters(shape, channels, kernel, stride, bias):
    layer = nn.ConvTranspose2d(shape[0], channels, kernel, stride, bias=bias)
    op = ops.ConvTranspose(channels, (kernel, kernel), (stride, stride), bias)
    assert op.shape(shape) == passes(layer, shape)
    assert declared(op, shape) == parameters(layer)
    assert op.macs(op.shape(shape), shape) == elements(shape) * channels * kernel**2


@given(shapes, st.integers(2, 4), st.integers(1, 3), st.booleans())
def test_average_pooling_has_torchs_shape(shape, kernel, stride, ceil):
    layer = nn.AvgPool2d(kernel, stride, ceil_mode=ceil)
    assert ops.AvgPool((kernel, kernel), (stride, stride), ceil=ceil).shape(shape) == passes(layer, shape)


@given(shapes, st.tuples(st.integers(1, 7), st.integers(1, 7)))
def test_adaptive_pooling_has_torchs_shape(shape, size):
    assert ops.AdaptiveAvgPool(size).shape(shape) == passes(nn.AdaptiveAvgPool2d(size), shape)


@given(shapes)
def test_layers_that_keep_the_shape_do(shape):
    kept = (
        ops.BatchNorm(),
        ops.FixedNorm(),
        ops.LocalResponseNorm(),
        ops.Activation("relu"),
        ops.Affine(),
        ops.Scale(0.2),
    )
    for op in (*kept, ops.Dropout(), ops.StochasticDepth(0.1)):
        assert op.shape(shape) == shape


@given(shapes)
def test_batch_norm_has_torchs_parameters_and_buffers(shape):
    assert declared(ops.BatchNorm(), shape) == parameters(nn.BatchNorm2d(shape[0]))
    trainable = {parameter.name for parameter in ops.BatchNorm().parameters(shape) if parameter.trainable}
    assert trainable == {"weight", "bias"}
    assert "weight" not in declared(ops.BatchNorm(scale=False), shape)


@given(shapes, st.integers(1, 40), st.booleans())
def test_dense_layer_has_torchs_shape_and_parameters(shape, features, bias):
    flat = ops.Flatten().shape(shape)
    assert flat == passes(nn.Flatten(), shape)
    layer, op = nn.Linear(flat[0], features, bias), ops.Linear(features, bias)
    assert op.shape(flat) == passes(layer, flat)
    assert declared(op, flat) == parameters(layer)
    assert op.macs(op.shape(flat), flat) == layer.weight.numel()


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5))
def test_shuffle_slice_and_upsample_have_the_shape_of_what_they_do(groups, per_group, factor):
    channels = groups * per_group
    image = torch.zeros(channels, 3, 4)
    assert ops.ChannelShuffle(groups).shape(tuple(image.shape)) == tuple(image.shape)
    assert ops.Slice(0, per_group).shape(tuple(image.shape)) == tuple(image[:per_group].shape)
    upsampled = nn.functional.interpolate(image[None], scale_factor=factor)[0]
    assert ops.Upsample((factor, factor)).shape(tuple(image.shape)) == tuple(upsampled.shape)


@given(st.tuples(*[st.integers(-2, 3)] * 4), st.tuples(*[st.integers(0, 3)] * 2))
def test_pad_has_torchs_shape(edges, channels):
    top, bottom, left, right = edges
    padded = nn.functional.pad(torch.zeros(1, 2, 6, 7), (left, right, top, bottom, *channels))
    assert ops.Pad(edges, channels).shape((2, 6, 7)) == tuple(padded.shape[1:])


def test_concatenation_sums_channels_and_addition_keeps_them():
    assert ops.Concat().shape((2, 5, 5), (3, 5, 5), (4, 5, 5)) == (9, 5, 5)
    assert ops.Add().shape((2, 5, 5), (2, 5, 5), (2, 5, 5)) == (2, 5, 5)
    assert ops.Add().elementwise((2, 5, 5), (2, 5, 5), (2, 5, 5), (2, 5, 5)) == 2 * 50


def test_multiply_takes_a_weight_for_each_channel():
    assert ops.Multiply().shape((8, 5, 5), (8, 1, 1)) == (8, 5, 5)
    with pytest.raises(ShapeError, match="cannot multiply 8x5x5 by 4x1x1"):
        ops.Multiply().shape((8, 5, 5), (4, 1, 1))


def test_lenets_connection_table_counts_only_its_connections():
    table = ((0, 1, 2), (1, 2, 3), (0, 1, 2, 3))
    op = ops.TableConv(table, (5, 5))
    assert op.shape((4, 14, 14)) == (3, 10, 10)
    assert sum(elements(parameter.shape) for parameter in op.parameters((4, 14, 14))) == 10 * 25 + 3
    assert op.macs((3, 10, 10), (4, 14, 14)) == 10 * 25 * 100


MISFITS = {
    "groups that do not divide": (ops.Conv(6, (1, 1), groups=4), [(8, 5, 5)]),
    "depthwise output that is no multiple": (ops.Conv(6, (1, 1), groups=4), [(4, 5, 5)]),
    "no groups": (ops.Conv(6, (1, 1), groups=0), [(4, 5, 5)]),
    "convolution of a vector": (ops.Conv(6, (1, 1)), [(8,)]),
    "sum of different maps": (ops.Add(), [(8, 5, 5), (8, 4, 5)]),
    "concatenation of different sizes": (ops.Concat(), [(8, 5, 5), (8, 4, 5)]),
    "concatenation of map and vector": (ops.Concat(), [(8, 5, 5), (8,)]),
    "slice beyond the channels": (ops.Slice(4, 9), [(8, 5, 5)]),
    "slice before the channels": (ops.Slice(-1, 4), [(8, 5, 5)]),
    "shuffle that does not divide": (ops.ChannelShuffle(3), [(8, 5, 5)]),
    "shuffle of no groups": (ops.ChannelShuffle(0), [(8, 5, 5)]),
    "table beyond the maps": (ops.TableConv(((0, 8),), (3, 3)), [(8, 5, 5)]),
    "empty table": (ops.TableConv((), (3, 3)), [(8, 5, 5)]),
    "enlargement without stride": (ops.ConvTranspose(4, (2, 2), (0, 0)), [(8, 5, 5)]),
    "everything cut away": (ops.Pad((-3, -3, 0, 0)), [(8, 5, 5)]),
}


@pytest.mark.parametrize("case", MISFITS)
def test_misfits_raise_a_shape_error(case):
    op, inputs = MISFITS[case]
    with pytest.raises(ShapeError):
        op.shape(*inputs)


@pytest.mark.parametrize("kind", ops.OPS)
def test_every_op_has_rules_for_its_arithmetic(kind):
    op = ops.OPS[kind]
    assert op.macs is not ops.Op.macs, f"{kind} has no multiply-add rule"
    assert op.elementwise is not ops.Op.elementwise, f"{kind} has no elementwise rule"
    assert op.shape is not ops.Op.shape


def test_an_op_without_a_rule_is_an_error():
    class Unruled(ops.Op):
        pass

    with pytest.raises(UsageError, match="Unruled has no rule"):
        Unruled().macs((1, 1, 1))
    with pytest.raises(UsageError, match="Unruled has no rule"):
        Unruled().elementwise((1, 1, 1))


@given(st.lists(st.integers(8, 200), min_size=2, max_size=5), st.integers(1, 5), st.integers(1, 3))
def test_array_sizes_give_each_candidates_answer(sizes, kernel, stride):
    square, steps = (kernel, kernel), (stride, stride)
    candidates = np.array(sizes)
    for op in (ops.Conv(candidates, square, steps, "same"), ops.MaxPool(square, steps, ceil=True)):
        shape = op.shape((3, candidates, candidates))
        macs = op.macs(shape, (3, candidates, candidates))
        for i, size in enumerate(sizes):
            single = ops.Conv(size, square, steps, "same") if isinstance(op, ops.Conv) else op
            expected = single.shape((3, size, size))
            assert tuple(int(np.broadcast_to(dim, len(sizes))[i]) for dim in shape) == expected
            assert np.broadcast_to(macs, len(sizes))[i] == single.macs(expected, (3, size, size))


@given(st.integers(1, 30), st.integers(1, 7))
def test_adaptive_cells_cover_the_map(size, cells):
    op = ops.AdaptiveAvgPool((cells, cells))
    window = op.windows((1, cells, cells), (1, size, size))[0]
    assert window.extent == math.ceil(size / cells)
    assert math.isclose(window.stride * cells, size)
