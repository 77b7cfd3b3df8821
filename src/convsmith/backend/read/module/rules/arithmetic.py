"""Rules for sums, products, powers and reductions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Literal

import torch
from torch import Tensor

from convsmith.backend.read.axes import BATCH, Axes
from convsmith.backend.read.draft import Value
from convsmith.backend.read.laid import Known, Laid
from convsmith.backend.read.module.call import Call, Symbol, rule
from convsmith.backend.read.module.rules.pieces import constant, constant_value
from convsmith.network import ops
from convsmith.network.ops.pointwise import Function

Word = Literal["add", "sub", "mul", "div", "pow", "maximum", "minimum"]
JOINTS: dict[Word, type[ops.Op]] = {
    "add": ops.Add,
    "sub": ops.Subtract,
    "mul": ops.Multiply,
    "div": ops.Divide,
    "pow": ops.Power,
    "maximum": ops.Maximum,
    "minimum": ops.Minimum,
}


@rule(
    "add",
    "sub",
    "mul",
    "div",
    "true_divide",
    "pow",
    "maximum",
    "minimum",
    "multiply",
    "divide",
    "subtract",
    "fmax",
    "fmin",
)
def binary(call: Call) -> Symbol:
    words: dict[str, Word] = {
        "true_divide": "div", "multiply": "mul", "divide": "div", "subtract": "sub",
        "fmax": "maximum", "fmin": "minimum",
    }  # fmt: skip
    packet = call.packet.rstrip("_")
    if call.get("rounding_mode"):
        call.refuse("a division that rounds", "divide without rounding_mode")
    first = call["self"]
    second = call["exponent" if packet == "pow" else "other"]
    return combine(call, words.get(packet, packet), first, _times(call, second, call.get("alpha", 1)))  # type: ignore[arg-type]


@rule("rsub")
def reversed_sub(call: Call) -> Symbol:
    return combine(call, "sub", call["other"], _times(call, call["self"], call.get("alpha", 1)))


@rule("addcmul", "addcdiv")
def add_product(call: Call) -> Symbol:
    word: Word = "mul" if "mul" in call.packet else "div"
    product = combine(call, word, call["tensor1"], call["tensor2"])
    return combine(call, "add", call["self"], _times(call, product, call["value"]))


@rule("lerp")
def mix(call: Call) -> Symbol:
    """self + weight * (end - self)."""
    step = combine(call, "sub", call["end"], call["self"])
    return combine(call, "add", call["self"], combine(call, "mul", step, call["weight"]))


@rule("gt", "lt", "ge", "le", "greater", "less", "greater_equal", "less_equal")
def compare(call: Call) -> Symbol:
    """1 where it holds, 0 elsewhere: the sign of the difference, cut at 0."""
    first, second = call["self"], call["other"]
    if call.packet.rstrip("_") in ("lt", "less", "ge", "greater_equal"):
        first, second = second, first
    above = _clipped(call, _function(call, combine(call, "sub", first, second), "sign"))
    if call.packet.rstrip("_") in ("gt", "lt", "greater", "less"):
        return above
    return combine(call, "sub", 1.0, above)


@rule("where")
def where(call: Call) -> Symbol:
    """other + condition * (self - other)."""
    first, second = call["self"], call["other"]
    if isinstance(first, Laid) or isinstance(second, Laid):
        difference = combine(call, "sub", first, second)
    else:
        call.refuse("a choice between constants by a condition on the image", "compute with the image itself")
    return combine(call, "add", second, combine(call, "mul", call["condition"], difference))


@rule("masked_fill")
def masked_fill(call: Call) -> Symbol:
    """self + mask * (value - self)."""
    difference = combine(call, "sub", call["value"], call["self"])
    mask = call["mask"]
    if isinstance(mask, Known):
        mask = mask.like(mask.tensor.float())
    return combine(call, "add", call["self"], combine(call, "mul", mask, difference))


def _clipped(call: Call, laid: Laid) -> Laid:
    return replace(laid, value=call.add(ops.Clip(low=0.0), laid.value, word="clip"))


def _times(call: Call, symbol: Symbol, factor: float) -> Symbol:
    if factor == 1:
        return symbol
    if isinstance(symbol, Laid):
        return combine(call, "mul", symbol, factor)
    return symbol.like(symbol.tensor * factor) if isinstance(symbol, Known) else symbol * factor


def combine(call: Call, word: Word, first: Symbol, second: Symbol) -> Symbol:
    """An elementwise operation of two operands, of which at least one depends on the image."""
    if isinstance(first, Laid) and isinstance(second, Laid):
        return _of_two(call, word, first, second)
    laid, other = (first, second) if isinstance(first, Laid) else (second, first)
    number = other.number if isinstance(other, Known) else other
    if number is not None and not _grows(laid, other):
        if isinstance(other, Known) and other.name is None and other.sources:
            call.draft.note(f"{call.spot.place}: a number was computed once from {', '.join(sorted(other.sources))}")
        return _with_number(call, word, laid, float(number), reverse=laid is second)
    return _with_constant(call, word, laid, other, reverse=laid is second)


def _grows(laid: Laid, other: Symbol) -> bool:
    """Whether a constant makes the tensor larger."""
    if not isinstance(other, Known):
        return False
    shape = tuple(other.tensor.shape)
    sizes = (1,) * (len(shape) - len(laid.sizes)) + laid.sizes
    return any(a > b for a, b in zip(shape[::-1], sizes[::-1], strict=False))


def _of_two(call: Call, word: Word, first: Laid, second: Laid) -> Laid:
    a, b, axes = call.layouts.together(first, second, call.spot)
    result = Laid(call.add(JOINTS[word](), a, b, word=word), axes)
    sizes = tuple(max(pair) for pair in zip_longest(first.sizes[::-1], second.sizes[::-1], fillvalue=1))[::-1]
    return result if result.sizes == sizes else Laid(result.value, result.axes.expanded(sizes))  # both repeat


def _with_number(call: Call, word: Word, laid: Laid, number: float, *, reverse: bool) -> Laid:
    def scaled(x: Laid, factor: float, shift: float = 0.0) -> Laid:
        if (factor, shift) == (1, 0) and word in ("add", "sub"):
            return x  # Python's sum() begins with 0
        before = call.draft.op_of(x.value)
        if factor == 1 and isinstance(before, ops.Scale) and not before.shift:
            source = call.draft.inputs_of(x.value)[0]  # x * a + b is one layer
            return replace(x, value=call.add(ops.Scale(before.factor, shift), source, word=word))
        return replace(x, value=call.add(ops.Scale(factor, shift), x.value, word=word))

    match word:
        case "add":
            return scaled(laid, 1.0, number)
        case "sub":
            return scaled(laid, -1.0, number) if reverse else scaled(laid, 1.0, -number)
        case "mul":
            return scaled(laid, number)
        case "div":
            return scaled(_function(call, laid, "reciprocal"), number) if reverse else scaled(laid, _inverse(number))
        case "pow" if reverse:
            return _function(call, scaled(laid, math.log(number) if number > 0 else math.nan), "exp")
        case "pow":
            return _power(call, laid, number)
        case "maximum":
            return replace(laid, value=call.add(ops.Clip(low=number), laid.value, word="clip"))
        case "minimum":
            return replace(laid, value=call.add(ops.Clip(high=number), laid.value, word="clip"))


def _inverse(number: float) -> float:
    return 1 / number if number else math.inf


POWERS: dict[float, tuple[Function, ...]] = {
    1.0: (), 2.0: ("square",), 0.5: ("sqrt",), -0.5: ("rsqrt",), -1.0: ("reciprocal",), 4.0: ("square", "square"),
    -2.0: ("square", "reciprocal"),
}  # fmt: skip
"""Exponents that need no power."""


def _power(call: Call, laid: Laid, exponent: float) -> Laid:
    if exponent in POWERS:
        for function in POWERS[exponent]:
            laid = _function(call, laid, function)
        return laid
    known = Known(torch.full((1,) * len(laid.value.shape), exponent))
    return replace(laid, value=call.add(ops.Power(), laid.value, constant_value(call, known), word="pow"))


def _function(call: Call, laid: Laid, function: Function) -> Laid:
    return replace(laid, value=call.add(ops.Activation(function), laid.value, word=function))


def _with_constant(call: Call, word: Word, laid: Laid, known: Known, *, reverse: bool) -> Laid:
    tensor = call.layouts.over(known.once.tensor, laid, call.spot)
    if tensor is None:  # the constant is the larger one
        sizes = max((tuple(known.tensor.shape), laid.sizes), key=len)
        other = constant(call, known, sizes)
        return _of_two(call, word, *((other, laid) if reverse else (laid, other)))
    if word == "add" and known.trainable and _as_bias(call, laid.value, tensor):
        return laid
    value = constant_value(call, known.like(tensor))
    operands: tuple[Value, ...] = (value, laid.value) if reverse else (laid.value, value)
    return replace(laid, value=call.add(JOINTS[word](), *operands, word=word))


def _as_bias(call: Call, value: Value, tensor: Tensor) -> bool:
    """Whether a layer's own product, just computed, takes this as its bias: Keras adds it in a step of its own."""
    op = call.draft.op_of(value)
    if (
        call.layer is None
        or not value.name.startswith(call.layer.path)
        or not isinstance(op, (ops.Conv, ops.Linear))
        or op.bias
    ):
        return False
    channels = -1 if isinstance(op, ops.Linear) else 0
    if tensor.numel() != tensor.shape[channels] or tensor.numel() != value.shape[channels]:
        return False
    return call.draft.amend(value, replace(op, bias=True), {"bias": tensor.flatten()}, call.spot.place)


@rule("mean", "sum", "amax", "amin")
def reduction(call: Call) -> Symbol:
    functions: dict[str, Reduction] = {"mean": "mean", "sum": "sum", "amax": "max", "amin": "min"}
    laid = call.laid("self")
    return reduce(call, laid, functions[call.packet], _all(laid, call.get("dim")), bool(call.get("keepdim")))


@rule("max", "min")
def extreme(call: Call) -> Symbol:
    """The largest along a dim, with an index that nothing may use; or of two tensors."""
    word: Reduction = "max" if call.packet == "max" else "min"
    if "other" in call.arguments:
        return combine(call, "maximum" if word == "max" else "minimum", call["self"], call["other"])
    laid = call.laid("self")
    found = reduce(call, laid, word, _all(laid, call.get("dim")), bool(call.get("keepdim")))
    return found if "dim" not in call.arguments else (found, None)


@rule("linalg_vector_norm", "norm", "frobenius_norm")
def length(call: Call) -> Symbol:
    order = call.get("ord", call.get("p", 2))
    if order is not None and float(order) != 2:
        call.refuse(f"a norm of order {order}", "use the norm of order 2")
    laid = call.laid("self" if "self" in call.arguments else "x")
    return reduce(call, laid, "l2", _all(laid, call.get("dim")), bool(call.get("keepdim")))


@rule("var", "std", "var_mean", "std_mean")
def variance(call: Call) -> Symbol:
    """The mean of squared differences from the mean."""
    laid = call.laid("self")
    dims = _all(laid, call.get("dim"))
    keep = bool(call.get("keepdim"))
    mean = reduce(call, laid, "mean", dims, keep=True)
    squares = _function(call, _of_two(call, "sub", laid, mean), "square")
    found = reduce(call, squares, "mean", dims, keep)
    count = 1
    for dim in dims:
        count *= laid.sizes[dim]
    correction = call.get("correction", 1 if call.get("unbiased", True) else 0)
    correction = 1 if correction is None else correction
    if correction:
        found = _with_number(call, "mul", found, count / (count - correction), reverse=False)
    if call.packet.startswith("std"):
        found = _function(call, found, "sqrt")
    return (found, reduce(call, laid, "mean", dims, keep)) if call.packet.endswith("mean") else found


Reduction = Literal["mean", "sum", "max", "min", "l2"]


def _all(laid: Laid, dims: Symbol) -> list[int]:
    """Dims counted from the front; all but the batch where none are given."""
    rank = len(laid.sizes)
    if dims is None or dims == []:
        return list(range(rank))
    return [dim % rank for dim in ([dims] if isinstance(dims, int) else dims)]


def reduce(call: Call, laid: Laid, function: Reduction, dims: Sequence[int], keep: bool) -> Laid:
    """One number for all elements along dims. Means over height and width are pooling."""
    if any(piece.axis == BATCH for dim in dims for piece in laid.axes.dims[dim]):
        call.refuse(
            f"a {function} over the images of a batch: an image's answer depends on the others",
            "reduce over channels, height and width only",
        )
    axes = [laid.axes.axis_of(dim, laid.value.shape) for dim in dims]
    if None in axes:
        laid = call.layouts.split(laid, call.spot)
        axes = [laid.axes.axis_of(dim, laid.value.shape) for dim in dims]
    if laid.axes.is_(laid.value.shape) or None in axes:
        laid = call.layouts.settled(laid, call.spot)
        found = sorted(dim - 1 for dim in dims)
    else:
        found = sorted({axis for axis in axes if axis is not None})
    value = call.add(_reducer(function, laid.value.shape, tuple(found)), laid.value, word=function)
    kept = [() if i in dims else dim for i, dim in enumerate(laid.axes.dims) if keep or i not in dims]
    return Laid(value, Axes(tuple(kept)))


def _reducer(function: Reduction, shape: Sequence[int], axes: tuple[int, ...]) -> ops.Op:
    if len(shape) == 3 and function in ("mean", "max") and axes in ((1,), (2,), (1, 2)):
        size = (1 if 1 in axes else shape[1], 1 if 2 in axes else shape[2])
        return ops.AdaptiveAvgPool(size) if function == "mean" else ops.AdaptiveMaxPool(size)
    return ops.Reduce(function, axes, keep=True)
