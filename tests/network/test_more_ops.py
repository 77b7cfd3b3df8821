"""Shapes, parameters and arithmetic of norms, pools, merges and ops on any shape, against PyTorch's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from convsmith.errors import ShapeError
from convsmith.network import Network, Node, builder as b, ops
from convsmith.network.dims import blocks, broadcast, elements

Shape = tuple[int, ...]
MAP = (8, 9, 12)

LAYERS: dict[str, tuple[ops.Op, nn.Module, Shape]] = {
    "grouped transposed convolution": (
        ops.ConvTranspose(6, (3, 2), (2, 3), True, groups=2, padding=(1, 1, 0, 0), output_padding=(1, 0)),
        nn.ConvTranspose2d(8, 6, (3, 2), (2, 3), (1, 0), (1, 0), 2),
        MAP,
    ),
    "dilated transposed convolution": (
        ops.ConvTranspose(6, (3, 3), (2, 2), False, dilation=(2, 1)),
        nn.ConvTranspose2d(8, 6, 3, 2, bias=False, dilation=(2, 1)),
        MAP,
    ),
    "batch norm of a vector": (ops.BatchNorm(), nn.BatchNorm1d(8), (8,)),
    "batch norm of a sequence": (ops.BatchNorm(), nn.BatchNorm1d(8), (8, 5)),
    "batch norm without parameters": (ops.BatchNorm(scale=False, bias=False), nn.BatchNorm2d(8, affine=False), MAP),
    "group norm": (ops.GroupNorm(4), nn.GroupNorm(4, 8), MAP),
    "group norm without parameters": (
        ops.GroupNorm(4, scale=False, bias=False),
        nn.GroupNorm(4, 8, affine=False),
        MAP,
    ),
    "instance norm": (ops.InstanceNorm(), nn.InstanceNorm2d(8), MAP),
    "instance norm with everything": (
        ops.InstanceNorm(scale=True, bias=True, running=True),
        nn.InstanceNorm2d(8, affine=True, track_running_stats=True),
        MAP,
    ),
    "layer norm of the map": (ops.LayerNorm((0, 1, 2)), nn.LayerNorm(MAP), MAP),
    "layer norm of the last axis": (ops.LayerNorm((2,)), nn.LayerNorm(12), MAP),
    "layer norm without bias": (ops.LayerNorm((2,), bias=False), nn.LayerNorm(12, bias=False), MAP),
    "rms norm": (ops.RMSNorm((2,)), nn.RMSNorm(12), MAP),
    "prelu": (ops.PReLU(), nn.PReLU(8), MAP),
    "prelu with one slope": (ops.PReLU(per_channel=False), nn.PReLU(), MAP),
    "softmax": (ops.Softmax(), nn.Softmax(1), MAP),
    "dense layer over the last axis": (ops.Linear(5), nn.Linear(12, 5), MAP),
    "dilated max pooling": (
        ops.MaxPool((3, 3), (2, 2), (1, 1, 1, 1), ceil=True, dilation=(2, 2)),
        nn.MaxPool2d(3, 2, 1, 2, ceil_mode=True),
        MAP,
    ),
    "power-average pooling": (ops.LpPool((2, 3), (2, 3), ceil=True), nn.LPPool2d(2, (2, 3), ceil_mode=True), MAP),
    "adaptive max pooling": (ops.AdaptiveMaxPool((4, 5)), nn.AdaptiveMaxPool2d((4, 5)), MAP),
    "pixel shuffle": (ops.PixelShuffle(2), nn.PixelShuffle(2), MAP),
    "pixel unshuffle": (ops.PixelUnshuffle(3), nn.PixelUnshuffle(3), MAP),
    "resizing": (ops.Resize((5, 20)), nn.Upsample((5, 20)), MAP),
    "flattening from an axis": (ops.Flatten(1), nn.Flatten(2), MAP),
    "reflect padding": (ops.Pad((1, 2, 3, 0), mode="reflect"), nn.ReflectionPad2d((3, 0, 1, 2)), MAP),
}


@pytest.mark.parametrize("case", LAYERS)
def test_a_layer_has_torchs_shape_and_parameters(case: str) -> None:
    op, layer, shape = LAYERS[case]
    with torch.no_grad():
        assert op.shape(shape) == tuple(layer(torch.zeros(2, *shape)).shape[1:])
    state = {name: tuple(tensor.shape) for name, tensor in layer.state_dict().items() if "num_batches" not in name}
    assert {parameter.name: parameter.shape for parameter in op.parameters(shape)} == state
    trained = {name for name, _ in layer.named_parameters()}
    assert {parameter.name for parameter in op.parameters(shape) if parameter.trainable} == trained


FUNCTIONS: dict[str, tuple[ops.Op, Callable[[Tensor], Tensor]]] = {
    "mean over space": (ops.Reduce("mean"), lambda x: x.mean((2, 3))),
    "maximum over channels": (ops.Reduce("max", (0,), keep=True), lambda x: x.amax(1, keepdim=True)),
    "length of rows": (ops.Reduce("l2", (2,)), lambda x: x.norm(dim=3)),
    "permutation": (ops.Permute((1, 2, 0)), lambda x: x.permute(0, 2, 3, 1)),
    "reshaping": (ops.Reshape((2, -1, 9)), lambda x: x.reshape(2, 2, -1, 9)),
    "repetition": (ops.Repeat((2, 1, 3)), lambda x: x.repeat(1, 2, 1, 3)),
    "slice of rows": (ops.Slice(1, 8, axis=1, step=3), lambda x: x[:, :, 1:8:3]),
    "enlargement by a broken factor": (ops.Upsample((1.3, 0.4)), lambda x: F.interpolate(x, scale_factor=(1.3, 0.4))),
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_an_op_has_the_shape_of_what_it_does(case: str) -> None:
    op, function = FUNCTIONS[case]
    assert op.shape(MAP) == tuple(function(torch.zeros(2, *MAP)).shape[1:])


sides = st.lists(st.integers(1, 4), min_size=1, max_size=4)


@given(sides, st.data())
def test_broadcasting_is_numpys_between_shapes_of_as_many_axes(first: list[int], data: st.DataObject) -> None:
    second = data.draw(st.lists(st.integers(1, 4), min_size=len(first), max_size=len(first)))
    try:
        expected = np.broadcast_shapes(tuple(first), tuple(second))
    except ValueError:
        expected = None
    assert broadcast(tuple(first), tuple(second)) == expected


def test_shapes_of_unequal_rank_do_not_broadcast() -> None:
    """A vector (W,) would be (N, W) beside (N, C, H, W): its batch would meet the rows."""
    with pytest.raises(ShapeError, match="cannot add 3x4x5 and 5"):
        ops.Add().shape((3, 4, 5), (5,))


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.randoms())
def test_blocks_of_a_reshaping_hold_equally_many_elements(before: list[int], random: object) -> None:
    after: list[int] = []
    for side in before:  # join some neighbours, split some sides
        if after and random.random() < 0.4:  # type: ignore[attr-defined]
            after[-1] *= side
        elif side % 2 == 0 and random.random() < 0.4:  # type: ignore[attr-defined]
            after += [2, side // 2]
        else:
            after.append(side)
    found = blocks(tuple(before), tuple(after))
    for old, new in found:
        assert elements(tuple(before[i] for i in old)) == elements(tuple(after[i] for i in new))
    assert [i for old, _ in found for i in old] == list(range(len(before)))
    assert [i for _, new in found for i in new] == list(range(len(after)))


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5), st.integers(1, 3))
def test_matrix_product_has_numpys_shape_and_multiplies_as_often(m: int, k: int, n: int, heads: int) -> None:
    first, second = (heads, m, k), (1, k, n)
    output = ops.MatMul().shape(first, second)
    assert output == np.matmul(np.zeros(first), np.zeros(second)).shape
    assert ops.MatMul().macs(output, first, second) == heads * m * k * n


def test_a_dense_layer_over_positions_multiplies_at_each() -> None:
    assert ops.Linear(5).macs((9, 12, 5), (9, 12, 8)) == 9 * 12 * 8 * 5


def test_transposed_convolution_multiplies_each_input_with_its_groups_kernels() -> None:
    op = ops.ConvTranspose(6, (3, 2), (2, 2), groups=2)
    assert op.macs(op.shape(MAP), MAP) == elements(MAP) * 3 * 6


def test_elementwise_operations_of_what_is_not_one_for_each_element() -> None:
    count = elements(MAP)
    counted = {
        ops.Softmax(): 3 * count,
        ops.GroupNorm(4): 7 * count,
        ops.LayerNorm(scale=False, bias=False): 5 * count,
        ops.RMSNorm(): 4 * count,
        ops.InstanceNorm(running=True): 2 * count,
        ops.Scale(2.0, 1.0): 2 * count,
        ops.Scale(1.0, 1.0): count,
        ops.Reduce("mean"): count,
        ops.Permute((1, 2, 0)): 0,
        ops.Upsample((2, 2), "bilinear"): 7 * 4 * count,
        ops.Upsample((2, 2)): 0,
    }
    assert {op: op.elementwise(op.shape(MAP), MAP) for op in counted} == counted


def test_what_the_backward_pass_keeps_depends_on_the_function() -> None:
    assert ops.Activation("relu").kept() == "output"
    assert ops.Activation("silu").kept() == "inputs"
    assert ops.Reduce("mean").kept() == "nothing"
    assert ops.Reduce("max").kept() == "inputs"


def test_a_constant_is_a_node_without_inputs() -> None:
    net = b.write("scaled", MAP, lambda x: b.layer_scale(x, 0.1, name="gamma"))
    assert net["gamma"].inputs == ()
    assert net.parameters["gamma.value"].shape == (8, 1, 1)
    assert Network.from_json(net.to_json()) == net
    with pytest.raises(ShapeError, match="c: constant takes 0 inputs, got 1"):
        _ = Network("n", MAP, (Node("c", ops.Constant((1,)), ("input",)),), "c").shapes
    with pytest.raises(ShapeError, match="r: activation takes 1 inputs, got 0"):
        _ = Network("n", MAP, (Node("r", ops.Activation("relu"), ()),), "r").shapes


MISFITS = {
    "norm of groups that do not divide": (ops.GroupNorm(3), [MAP]),
    "norm of no groups": (ops.GroupNorm(0), [MAP]),
    "norm over no axis": (ops.LayerNorm(()), [MAP]),
    "norm over an axis too far": (ops.LayerNorm((3,)), [MAP]),
    "norm over axes out of order": (ops.RMSNorm((1, 0)), [MAP]),
    "instance norm of a vector": (ops.InstanceNorm(), [(8,)]),
    "batch norm of a volume": (ops.BatchNorm(), [(8, 2, 2, 2)]),
    "negative axis": (ops.Softmax(-1), [MAP]),
    "limits the wrong way round": (ops.Clip(1.0, -1.0), [MAP]),
    "product of unlike maps": (ops.Multiply(), [MAP, (4, 1, 1)]),
    "difference of unlike maps": (ops.Subtract(), [MAP, (8, 9, 11)]),
    "constant without axes": (ops.Constant(()), []),
    "reshaping to too many": (ops.Reshape((8, 9, 13)), [MAP]),
    "reshaping with two free sides": (ops.Reshape((-1, -1)), [MAP]),
    "reshaping to a fraction": (ops.Reshape((5, -1)), [MAP]),
    "reshaping to nothing": (ops.Reshape((0, -1)), [MAP]),
    "permutation that repeats an axis": (ops.Permute((0, 0, 1)), [MAP]),
    "permutation that leaves out an axis": (ops.Permute((1, 0)), [MAP]),
    "expansion of a side that is not 1": (ops.Expand((16, 9, 12)), [MAP]),
    "expansion to fewer": (ops.Expand((8, 9, 1)), [MAP]),
    "repetition of too few axes": (ops.Repeat((2,)), [MAP]),
    "slice without a step": (ops.Slice(0, 4, step=0), [MAP]),
    "slice beyond the rows": (ops.Slice(0, 10, axis=1), [MAP]),
    "concatenation along an axis too far": (ops.Concat(3), [MAP, MAP]),
    "reduction to nothing": (ops.Reduce("mean", (0,)), [(8,)]),
    "shuffle of too few channels": (ops.PixelShuffle(3), [MAP]),
    "unshuffle that does not divide": (ops.PixelUnshuffle(2), [MAP]),
    "reflection larger than the map": (ops.Pad((9, 0, 0, 0), mode="reflect"), [MAP]),
    "going round more than once": (ops.Pad((0, 0, 13, 0), mode="circular"), [MAP]),
    "replication that cuts": (ops.Pad((-1, 0, 0, 0), mode="replicate"), [MAP]),
    "corners without interpolation": (ops.Upsample((2, 2), "nearest", align_corners=True), [MAP]),
    "enlargement to nothing": (ops.Upsample((0, 1)), [MAP]),
    "output padding as large as the stride": (ops.ConvTranspose(4, (2, 2), (2, 2), output_padding=(2, 0)), [MAP]),
    "transposed groups that do not divide": (ops.ConvTranspose(4, (2, 2), (2, 2), groups=3), [MAP]),
    "matrices that do not fit": (ops.MatMul(), [(8, 9), (8, 9)]),
    "matrix product of vectors": (ops.MatMul(), [(8,), (8,)]),
}


@pytest.mark.parametrize("case", MISFITS)
def test_misfits_raise_a_shape_error(case: str) -> None:
    op, inputs = MISFITS[case]
    with pytest.raises(ShapeError):
        op.shape(*inputs)


def test_array_sizes_give_each_candidates_answer() -> None:
    widths = np.array([8, 16, 32])
    for op in (ops.GroupNorm(4), ops.Reshape((2, -1, 5)), ops.Upsample((1.5, 0.5)), ops.Reduce("max"), ops.Flatten(1)):
        shape = op.shape((widths, 5, 5))
        for i, width in enumerate(widths):
            expected = op.shape((int(width), 5, 5))
            assert tuple(int(np.broadcast_to(dim, 3)[i]) for dim in shape) == expected
