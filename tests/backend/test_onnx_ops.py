"""Every op in ONNX Runtime against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from runtime import assert_same, run, single

from convsmith.backend.onnx import emit, to_onnx
from convsmith.backend.onnx.pool import averaging
from convsmith.network import builder as b, ops
from convsmith.network.init import Init
from convsmith.network.ops import OPS, AvgPool, MaxPool
from convsmith.network.ops.pointwise import Function
from convsmith.network.ops.resample import Interpolation

POSITIVE: tuple[Function, ...] = ("log", "sqrt", "rsqrt", "reciprocal")
"""Functions of positive numbers."""


def test_every_op_has_a_rule() -> None:
    assert [kind for kind, op in OPS.items() if emit.dispatch(op) is emit.dispatch(object)] == []


ONE_LAYER: dict[str, Callable[[b.Tensor], b.Tensor]] = {
    "conv": lambda x: b.conv(x, 6, 3),
    "conv with uneven padding": lambda x: b.conv(x, 6, (3, 5), 2, padding=(0, 1, 2, 1), bias=False),
    "conv with same padding": lambda x: b.conv(x, 6, 3, 2, padding="same"),
    "dilated conv": lambda x: b.conv(x, 6, 3, padding=(2, 2, 2, 2), dilation=2),
    "grouped conv": lambda x: b.conv(x, 8, 3, groups=2),
    "depthwise conv": lambda x: b.conv(x, 4, 3, 2, groups=4),
    "standardized conv": lambda x: b.standardized_conv(x, 6, 3, 2, groups=2),
    "conv_transpose": lambda x: b.conv_transpose(x, 5, 3, 2),
    "table_conv": lambda x: b.table_conv(x, ((0, 1), (3,), (0, 2, 3)), 3),
    "linear": lambda x: b.linear(x, 7),
    "linear without bias": lambda x: b.linear(x, 7, bias=False),
    "radial_basis": lambda x: b.radial_basis(b.linear(x, 5), 6),
    "batch_norm": lambda x: b.batch_norm(x),
    "batch_norm without scale": lambda x: b.batch_norm(x, scale=False),
    "fixed_norm": lambda x: b.fixed_norm(x),
    "local_response_norm": lambda x: b.local_response_norm(x, 3, 0.5, 0.75, 2.0),
    "local_response_norm of even size": lambda x: b.local_response_norm(x, 2, 0.5, 0.75, 1.0),
    "affine": lambda x: b.affine(x),
    "scale": lambda x: b.scale(x, 0.17),
    "skip_init": lambda x: b.skip_init(x),
    "dropout": lambda x: b.relu(b.dropout(x)),
    "stochastic_depth": lambda x: b.relu(b.stochastic_depth(x, 0.5)),
    "max_pool": lambda x: b.max_pool(x, 3, 2),
    "max_pool with same padding": lambda x: b.max_pool(x, 3, 2, padding="same"),
    "avg_pool": lambda x: b.avg_pool(x, 2),
    "avg_pool with same padding": lambda x: b.avg_pool(x, 3, 2, padding="same"),
    "adaptive_avg_pool to a grid": lambda x: b.adaptive_avg_pool(x, 4),
    "adaptive_avg_pool to a larger grid": lambda x: b.adaptive_avg_pool(x, 13),
    "adaptive_avg_pool of the same size": lambda x: b.adaptive_avg_pool(b.conv(x, 3, 3, padding=(0, 0, 0, 1)), 7),
    "global_avg_pool": lambda x: b.global_avg_pool(x),
    "add": lambda x: b.add(x, b.relu(x)),
    "add of three": lambda x: b.add(x, b.relu(x), b.scale(x, 3.0)),
    "multiply": lambda x: b.multiply(x, b.relu(x)),
    "multiply by channel": lambda x: b.multiply(x, b.global_avg_pool(x)),
    "concat": lambda x: b.concat(x, b.relu(x)),
    "slice": lambda x: b.channel_slice(x, 1, 3),
    "channel_shuffle": lambda x: b.channel_shuffle(x, 2),
    "pad": lambda x: b.pad(x, (1, 0, 2, 3), channels=(1, 2)),
    "pad that cuts": lambda x: b.pad(x, (-1, 2, -2, -1), channels=(-1, 1)),
    "upsample": lambda x: b.upsample(x, 3),
    **{
        f"activation {name}": lambda x, name=name: b.activation(x, name)
        for name in get_args(Function)
        if name not in POSITIVE
    },
    **{f"activation {name}": lambda x, name=name: b.activation(b.activation(x, "exp"), name) for name in POSITIVE},
}


def one(op: ops.Op, *before: ops.Op) -> Callable[[b.Tensor], b.Tensor]:
    """One op on the input, or on what others have made of it."""

    def family(x: b.Tensor) -> b.Tensor:
        for earlier in before:
            x = b.apply(earlier, x)
        return b.apply(op, x)

    return family


def two(op: ops.Op, second: ops.Op, *, positive: bool = False) -> Callable[[b.Tensor], b.Tensor]:
    """An op on the input and on what `second` makes of it."""

    def family(x: b.Tensor) -> b.Tensor:
        x = b.activation(x, "exp") if positive else x
        return b.apply(op, x, b.apply(second, x))

    return family


def with_constant(op: ops.Op, *size: int, first: bool = False) -> Callable[[b.Tensor], b.Tensor]:
    """An op on the input and a constant."""

    def family(x: b.Tensor) -> b.Tensor:
        c = b.constant(x, size, init=Init("normal", 1.0))
        return b.apply(op, c, x) if first else b.apply(op, x, c)

    return family


LINE = ops.Flatten(1)
"""A map as (C, H * W)."""
VECTOR = ops.Flatten()
LAST = ops.Permute((1, 2, 0))
"""A map as (H, W, C)."""

MORE_LAYERS: dict[str, Callable[[b.Tensor], b.Tensor]] = {
    "conv_transpose with padding": one(ops.ConvTranspose(6, (3, 4), (2, 3), padding=(1, 1, 2, 2))),
    "conv_transpose with uneven padding": one(ops.ConvTranspose(6, (3, 4), (2, 3), False, padding=(1, 0, 0, 2))),
    "conv_transpose with everything": one(
        ops.ConvTranspose(6, (3, 2), (2, 3), padding=(1, 1, 0, 0), output_padding=(1, 2), dilation=(2, 1), groups=2)
    ),
    "depthwise conv_transpose": one(ops.ConvTranspose(4, (4, 4), (2, 2), padding=(1, 1, 1, 1), groups=4)),
    "linear over the last axis": one(ops.Linear(7), LAST),
    "linear over the last axis without bias": one(ops.Linear(7, bias=False), LAST),
    "matmul": lambda x: b.matmul(x, b.permute(x, (0, 2, 1))),
    "matmul by a constant": with_constant(ops.MatMul(), 1, 8, 5),
    "batch_norm without bias": one(ops.BatchNorm(bias=False)),
    "batch_norm without parameters": one(ops.BatchNorm(scale=False, bias=False)),
    "batch_norm of a vector": one(ops.BatchNorm(), VECTOR),
    "batch_norm of a sequence": one(ops.BatchNorm(), LINE),
    "group_norm": one(ops.GroupNorm(2)),
    "group_norm without parameters": one(ops.GroupNorm(2, scale=False, bias=False)),
    "group_norm without bias": one(ops.GroupNorm(1, bias=False)),
    "group_norm of a vector": one(ops.GroupNorm(4), VECTOR),
    "instance_norm": one(ops.InstanceNorm()),
    "instance_norm with parameters": one(ops.InstanceNorm(scale=True, bias=True)),
    "instance_norm with running statistics": one(ops.InstanceNorm(running=True)),
    "instance_norm with everything": one(ops.InstanceNorm(scale=True, bias=True, running=True)),
    "layer_norm over channels": one(ops.LayerNorm()),
    "layer_norm over the map": one(ops.LayerNorm((0, 1, 2))),
    "layer_norm over space": one(ops.LayerNorm((1, 2))),
    "layer_norm over rows and channels": one(ops.LayerNorm((0, 1))),
    "layer_norm over the last axis": one(ops.LayerNorm((2,)), LAST),
    "layer_norm of a vector": one(ops.LayerNorm(), VECTOR),
    "layer_norm without bias": one(ops.LayerNorm(bias=False)),
    "layer_norm without parameters": one(ops.LayerNorm(scale=False, bias=False)),
    "rms_norm over channels": one(ops.RMSNorm()),
    "rms_norm over the last axis": one(ops.RMSNorm((2,)), LAST),
    "rms_norm without scale": one(ops.RMSNorm((1, 2), scale=False)),
    "l2_norm": one(ops.L2Norm()),
    "l2_norm of a vector": one(ops.L2Norm(), VECTOR),
    "leaky_relu": one(ops.LeakyReLU(0.2)),
    "elu": one(ops.ELU(0.7)),
    "celu": one(ops.CELU(0.7)),
    "softplus": one(ops.Softplus()),
    "softplus with beta": one(ops.Softplus(2.5)),
    "hardshrink": one(ops.Hardshrink(0.3)),
    "softshrink": one(ops.Softshrink(0.3)),
    "clip": one(ops.Clip(-1.0, 0.5)),
    "clip from below": one(ops.Clip(low=-0.5)),
    "clip from above": one(ops.Clip(high=0.5)),
    "clip to nothing": one(ops.Clip()),
    "prelu": one(ops.PReLU()),
    "prelu with one slope": one(ops.PReLU(per_channel=False)),
    "prelu of a vector": one(ops.PReLU(), VECTOR),
    "softmax": one(ops.Softmax()),
    "softmax over positions": one(ops.Softmax(1), LINE),
    "log_softmax": one(ops.LogSoftmax()),
    "scale and shift": one(ops.Scale(-1.0, 1.0)),
    "shift": one(ops.Scale(1.0, 3.0)),
    "dropout of channels": one(ops.Activation("relu"), ops.Dropout(0.5, "channel")),
    "alpha_dropout": one(ops.Activation("relu"), ops.AlphaDropout(0.5)),
    "dilated max_pool": one(ops.MaxPool((3, 2), (1, 2), (1, 1, 0, 0), dilation=(2, 3))),
    "dilated max_pool with uneven padding": one(ops.MaxPool((3, 2), (2, 2), (0, 1, 1, 0), True, (2, 3))),
    "lp_pool": one(ops.LpPool((3, 2), (2, 2))),
    "lp_pool with padding": one(ops.LpPool((3, 3), (2, 2), (1, 0, 1, 1), ceil=True)),
    "lp_pool of another power": one(ops.LpPool((2, 2), (2, 2), ceil=True, p=3.0), ops.Activation("relu")),
    "adaptive_max_pool": one(ops.AdaptiveMaxPool()),
    "adaptive_max_pool to a grid": one(ops.AdaptiveMaxPool((4, 3))),
    "adaptive_max_pool to a divisor": one(ops.AdaptiveMaxPool((3, 4))),
    "adaptive_max_pool to a larger grid": one(ops.AdaptiveMaxPool((11, 3))),
    "adaptive_max_pool of the same size": one(ops.AdaptiveMaxPool((9, 8))),
    **{
        f"reduce to {function} over {axes}": one(ops.Reduce(function, axes, keep))
        for function in ("mean", "sum", "max", "min", "l2")
        for axes, keep in (((1, 2), False), ((1, 2), True), ((0,), True), ((2,), False))
    },
    "subtract": two(ops.Subtract(), ops.Activation("relu")),
    "divide": two(ops.Divide(), ops.Activation("exp")),
    "maximum": two(ops.Maximum(), ops.Activation("sigmoid")),
    "minimum": two(ops.Minimum(), ops.Activation("sigmoid")),
    "power": two(ops.Power(), ops.Activation("tanh"), positive=True),
    "gate of channels": two(ops.Multiply(), ops.AdaptiveAvgPool()),
    "gate of positions": two(ops.Multiply(), ops.Reduce("mean", (0,), keep=True)),
    "sum with a gate": two(ops.Add(), ops.AdaptiveMaxPool()),
    "gate first": lambda x: b.add(b.channel_mean(x), b.global_max_pool(x), x),
    "layer scale": lambda x: b.layer_scale(x, 0.1),
    "quantize": lambda x: b.quantize(x, 0.031, 117),
    "quantize to 4 bits": lambda x: b.quantize(x, 0.31, 3, bits=4),
    "constant added by position": with_constant(ops.Add(), 1, 9, 8),
    "constant minus the input": with_constant(ops.Subtract(), 4, 9, 8, first=True),
    "constant of one number": with_constant(ops.Multiply(), 1, 1, 1),
    "constant beside the input": with_constant(ops.Concat(), 2, 9, 8),
    "constant before the input": with_constant(ops.Concat(1), 4, 1, 8, first=True),
    "concat of rows": two(ops.Concat(1), ops.Slice(0, 3, axis=1)),
    "flatten from an axis": one(LINE),
    "reshape": one(ops.Reshape((2, 2, 9, -1))),
    "permute": one(LAST),
    "expand": one(ops.Expand((4, 9, 8)), ops.AdaptiveAvgPool()),
    "repeat": one(ops.Repeat((2, 1, 3))),
    "slice of rows": one(ops.Slice(2, 7, axis=1)),
    "slice with a step": one(ops.Slice(1, 8, axis=2, step=2)),
    "pad with a number": one(ops.Pad((1, 0, 2, 3), (0, 1), value=-1.5)),
    "reflect padding": one(ops.Pad((2, 1, 0, 3), mode="reflect")),
    "replicate padding": one(ops.Pad((2, 1, 0, 3), mode="replicate")),
    "circular padding": one(ops.Pad((2, 1, 0, 3), mode="circular")),
    "resize": one(ops.Resize((5, 12), "bilinear")),
    "pixel_shuffle": one(ops.PixelShuffle(2)),
    "pixel_unshuffle": one(ops.PixelUnshuffle(2), ops.Slice(0, 8, axis=1)),
}


@pytest.mark.parametrize("layer", [*ONE_LAYER, *MORE_LAYERS])
def test_a_layer_gives_the_same_in_onnx_runtime_and_torch(layer: str) -> None:
    assert_same(b.write("single", (4, 9, 8), (ONE_LAYER | MORE_LAYERS)[layer]))


def test_the_cases_cover_every_op() -> None:
    nets = [b.write("single", (4, 9, 8), layer) for layer in (ONE_LAYER | MORE_LAYERS).values()]
    assert {node.op.kind for net in nets for node in net} == set(OPS)


@st.composite
def pools(draw: st.DrawFn) -> tuple[MaxPool | AvgPool, tuple[int, int, int]]:
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    top, left = (draw(st.integers(0, k // 2)) for k in kernel)
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    size = draw(st.tuples(st.integers(4, 11), st.integers(4, 11)))
    geometry = (kernel, stride, (top, top, left, left), draw(st.booleans()))
    kind = draw(st.sampled_from(["max", "avg", "avg with padding"]))
    return MaxPool(*geometry) if kind == "max" else AvgPool(*geometry, kind != "avg"), (2, *size)


@settings(max_examples=60, deadline=None)
@given(pools())
def test_pooling_of_any_geometry_is_as_in_torch_rounding_up_included(
    case: tuple[MaxPool | AvgPool, tuple[int, int, int]],
) -> None:
    assert_same(single(*case))


def test_uneven_padding_counts_in_a_mean_only_when_it_should() -> None:
    image = np.ones((1, 1, 3, 3), np.float32)
    for counted, corner in ((False, 1.0), (True, 0.25)):
        net = single(AvgPool((2, 2), (2, 2), (1, 0, 1, 0), count_padding=counted), (1, 3, 3))
        assert run(to_onnx(net, {}), image)[0, 0, 0, 0] == corner


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("pool", [MaxPool, partial(AvgPool, count_padding=True), partial(AvgPool, count_padding=False)])
def test_uneven_padding_is_the_same_in_onnx_runtime_and_torch(pool: Callable[..., MaxPool], ceil: bool) -> None:
    for padding in ((1, 0, 1, 0), (0, 1, 1, 0), "same"):
        assert_same(single(pool((3, 3), (2, 2), padding, ceil=ceil), (2, 8, 7)))


@given(st.integers(1, 12), st.integers(1, 12))
def test_averaging_matrix_is_adaptive_pooling(size: int, cells: int) -> None:
    row = torch.arange(size, dtype=torch.float32) ** 2
    expected = torch.nn.functional.adaptive_avg_pool1d(row[None], cells)[0].numpy()
    np.testing.assert_allclose(averaging(size, cells) @ row.numpy(), expected, rtol=1e-5)


RESAMPLED = [("nearest", False), ("nearest_exact", False), *((m, c) for m in ("bilinear", "bicubic") for c in (0, 1))]


@settings(max_examples=80, deadline=None)
@given(
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.tuples(st.integers(1, 25), st.integers(1, 25)),
    st.sampled_from(RESAMPLED),
)
def test_resizing_to_any_size_is_as_in_torch(
    before: tuple[int, int], after: tuple[int, int], how: tuple[Interpolation, bool]
) -> None:
    assert_same(single(ops.Resize(after, how[0], bool(how[1])), (2, *before)))


@settings(max_examples=80, deadline=None)
@given(
    st.tuples(st.integers(3, 12), st.integers(3, 12)),
    st.tuples(*[st.sampled_from([0.4, 0.5, 0.75, 1.0, 1.3, 1.5, 2.0, 2.5, 3.0])] * 2),
    st.sampled_from(RESAMPLED),
)
def test_resizing_by_any_factor_is_as_in_torch(
    size: tuple[int, int], factor: tuple[float, float], how: tuple[Interpolation, bool]
) -> None:
    assert_same(single(ops.Upsample(factor, how[0], bool(how[1])), (2, *size)))
