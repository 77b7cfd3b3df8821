"""Functions of torch's that it computes in steps, known by the steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isclose
from typing import Any

from torch import fx

from convsmith.backend.read.module.call import Call, Symbol, pair_of
from convsmith.backend.read.module.capture import packet_of
from convsmith.network import ops

Run = Sequence[fx.Node]


def _local_response_norm(run: Run, call: Call) -> Symbol:
    """x / (k + alpha * mean of squares over a window) ** beta, the numbers read off torch's steps."""
    square, *_, scale, shift, power, quotient = (_arguments(node) for node in run)
    if square[1] is not square[0] or quotient[0] is not square[0]:
        return None
    pool = next(_arguments(node) for node in run if packet_of(node).startswith("avg_pool"))
    op = ops.LocalResponseNorm(int(pool[1][0]), float(scale[1]), float(power[1]), float(shift[1]))
    return call.lay(call.add(op, call.maps(call.laid("input")), word="local_response_norm"))


def _lp_pool(run: Run, call: Call) -> Symbol:
    """(mean of p-th powers * window) ** (1 / p)."""
    power, pool, *_, last = (_arguments(node) for node in run)
    kernel, stride, padding, ceil = (*pool[1:], *[None] * 4)[:4]
    if not isclose(1 / power[1], last[1]) or any(padding or (0,)):
        return None
    op = ops.LpPool(pair_of(kernel), pair_of(stride or kernel), ceil=bool(ceil), p=float(power[1]))
    return call.lay(call.add(op, call.maps(call.laid("input")), word="lp_pool"))


def _l2_norm(run: Run, call: Call) -> Symbol:
    """x / max(length, eps) over one dim, as `F.normalize` has it."""
    length, least, *_, quotient = (_arguments(node) for node in run)
    source, order, dims, keep = (*length, *[None] * 4)[:4]
    if quotient[0] is not source or order not in (2, 2.0) or not keep or len(dims or ()) != 1:
        return None
    laid, axis = call.layouts.with_axis(call.laid("input"), dims[0] % len(call.sizes), call.spot)
    return replace(laid, value=call.add(ops.L2Norm((axis,), float(least[1])), laid.value, word="normalize"))


def _arguments(node: fx.Node) -> tuple[Any, ...]:
    return node.args


SEQUENCES: tuple[tuple[tuple[str, ...], Callable[[Run, Call], Symbol]], ...] = (
    (
        ("mul", "view", "pad|constant_pad_nd", "avg_pool3d", "squeeze", "view", "mul", "add", "pow", "div"),
        _local_response_norm,
    ),
    (
        ("mul", "unsqueeze", "pad|constant_pad_nd", "avg_pool2d|avg_pool3d", "squeeze", "mul", "add", "pow", "div"),
        _local_response_norm,
    ),
    (("pow", "avg_pool2d", "sign", "abs", "relu", "mul", "mul", "pow"), _lp_pool),
    (("linalg_vector_norm|norm", "clamp_min", "expand_as|expand", "div"), _l2_norm),
)
"""Operations in their order, alternatives after a bar, and what reads them."""
