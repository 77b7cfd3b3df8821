"""Nodes whose inputs are all known are computed here, in NumPy: shapes put together, weights rearranged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, TypeAlias

import numpy as np
from onnx import TensorProto, helper

from convsmith.backend.read.onnx.graph import Array, OnnxNode
from convsmith.errors import ReadError

LARGEST_RESULT = 2**24
"""Elements. A result that is larger than this and than what it is made of is no network's weight."""

LARGEST_FILL = 2**29
"""Elements of a constant filled with one number, which takes no memory until it is a weight."""

Inputs: TypeAlias = Sequence[Array | None]
Fold: TypeAlias = Callable[[OnnxNode, Inputs], Array | Sequence[Array]]

FOLDS: dict[str, Fold] = {}
"""By operator."""


def fold(node: OnnxNode, inputs: Inputs) -> tuple[Array, ...] | None:
    """What a node makes of constants; None for an operator that is not computed here. Raises ReadError."""
    function = FOLDS.get(node.kind)
    if function is None:
        return None
    with np.errstate(all="ignore"):
        results = function(node, inputs)
    return tuple(np.asarray(r) for r in results) if isinstance(results, list) else (np.asarray(results),)


def _register(*kinds: str) -> Callable[[Fold], Fold]:
    def add(function: Fold) -> Fold:
        FOLDS.update(dict.fromkeys(kinds, function))
        return function

    return add


def _first(inputs: Inputs) -> Array:
    if not inputs or inputs[0] is None:
        raise ReadError("its first input is left out")
    return inputs[0]


def bounded(shape: Sequence[int], inputs: Inputs, limit: int = LARGEST_RESULT) -> tuple[int, ...]:
    """This shape. Raises ReadError, before anything is allocated, where it is negative or absurd."""
    limit = max(limit, *(array.size for array in inputs if array is not None), 0)
    if any(size < 0 for size in shape) or prod(int(size) for size in shape) > limit:
        sizes = "x".join(str(int(size)) for size in shape)
        raise ReadError(f"a constant of the shape {sizes} is no network's")
    return tuple(int(size) for size in shape)


def listed(node: OnnxNode, name: str, inputs: Inputs, index: int) -> tuple[int, ...] | None:
    """Whole numbers that older opsets give as an attribute and newer ones as an input; None if they are left out."""
    array = inputs[index] if index < len(inputs) else None
    return node.integers(name) if array is None else tuple(int(value) for value in array.ravel())


@_register("Constant")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    for name, value in node.attributes.items():
        if isinstance(value, np.ndarray):
            return value
        if name in ("value_float", "value_floats"):
            return np.asarray(value, np.float32)
        if name in ("value_int", "value_ints"):
            return np.asarray(value, np.int64)
    raise ReadError("is a constant without a number", place=node.place)


@_register("ConstantOfShape")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    shape = bounded(_first(inputs).astype(np.int64).ravel().tolist(), (), LARGEST_FILL)
    value = node.attributes.get("value")
    filler = value.ravel()[:1] if isinstance(value, np.ndarray) and value.size else np.zeros(1, np.float32)
    return np.broadcast_to(filler.reshape(()), shape)


@_register("Identity", "Dropout")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    return _first(inputs)


@_register("Cast")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    kind = node.integer("to", TensorProto.FLOAT)
    if kind in (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE):
        kind = TensorProto.FLOAT
    return _first(inputs).astype(helper.tensor_dtype_to_np_dtype(kind))


@_register("Size")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    return np.asarray(_first(inputs).size, np.int64)


@_register("Shape")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    return shape_of(node, _first(inputs).shape)


def shape_of(node: OnnxNode, shape: Sequence[int]) -> Array:
    """What a `Shape` node says of a value of this shape."""
    return np.asarray(shape, np.int64)[node.integer("start", 0) : node.attributes.get("end")]


@_register("Gather")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    data, index = _first(inputs), inputs[1]
    axis = node.integer("axis", 0)
    if index is None:
        raise ReadError("has no indices", place=node.place)
    rows = data.shape[axis] or 1
    bounded((data.size // rows, index.size), inputs)
    return np.take(data, index.astype(np.int64), axis=axis)


@_register("Concat")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    return np.concatenate([array for array in inputs if array is not None], axis=node.integer("axis", 0))


@_register("Unsqueeze")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    return np.expand_dims(_first(inputs), listed(node, "axes", inputs, 1) or ())


@_register("Squeeze")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    return np.squeeze(_first(inputs), listed(node, "axes", inputs, 1))


@_register("Slice")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    data = _first(inputs)
    return data[slices(node, inputs, data.ndim)]


def slices(node: OnnxNode, inputs: Inputs, rank: int) -> tuple[slice, ...]:
    """The slice along each axis that a `Slice` node asks for, by attributes or by inputs."""
    starts, ends = listed(node, "starts", inputs, 1), listed(node, "ends", inputs, 2)
    if starts is None or ends is None:
        raise ReadError("does not say where the slice starts and ends", place=node.place)
    axes = listed(node, "axes", inputs, 3) or tuple(range(len(starts)))
    steps = listed(node, "steps", inputs, 4) or (1,) * len(starts)
    cuts = [slice(None)] * rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # An end far below zero with a negative step means "to the first element".
        cuts[axis] = slice(start, None if step < 0 and end < -(2**31) else end, step)
    return tuple(cuts)


@_register("Split")
def _(node: OnnxNode, inputs: Inputs) -> list[Array]:
    data, axis = _first(inputs), node.integer("axis", 0)
    parts = split_sizes(node, inputs, data.shape[axis])
    return list(np.split(data, np.cumsum(parts)[:-1].tolist(), axis))


def split_sizes(node: OnnxNode, inputs: Inputs, size: int) -> tuple[int, ...]:
    """How long each part of a `Split` of this many elements is."""
    given = listed(node, "split", inputs, 1)
    if given is not None:
        if sum(given) != size or len(given) != len(node.outputs):
            raise ReadError(f"splits {size} into {len(node.outputs)} parts of {list(given)}", place=node.place)
        return given
    count = len(node.outputs)
    each = -(-size // count)
    return tuple([each] * (count - 1) + [size - each * (count - 1)])


@_register("Reshape")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    data = _first(inputs)
    return data.reshape(reshaped(node, data.shape, listed(node, "shape", inputs, 1)))


def reshaped(node: OnnxNode, shape: Sequence[int], target: Sequence[int] | None) -> tuple[int, ...]:
    """What a `Reshape` makes of a shape, zeros and -1 resolved. Raises ReadError where the sizes do not fit."""
    if target is None:
        raise ReadError("the new shape depends on the image", place=node.place)
    keep = not node.integer("allowzero", 0)
    sizes = [shape[i] if size == 0 and keep and i < len(shape) else size for i, size in enumerate(target)]
    total = prod(shape)
    if sizes.count(-1) == 1:
        rest = prod(size for size in sizes if size != -1)
        if rest > 0 and total % rest == 0:
            sizes[sizes.index(-1)] = total // rest
    if min(sizes, default=1) < 1 or prod(sizes) != total:
        before, after = ("x".join(map(str, s)) for s in (shape, target))
        raise ReadError(f"{before} cannot take the shape {after}", place=node.place)
    return tuple(sizes)


@_register("Flatten")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    data, axis = _first(inputs), node.integer("axis", 1)
    return data.reshape(prod(data.shape[:axis]), -1)


@_register("Transpose")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    return _first(inputs).transpose(node.integers("perm"))


@_register("Expand")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    data = _first(inputs)
    shape = np.broadcast_shapes(data.shape, bounded(listed(node, "shape", inputs, 1) or (), inputs))
    return np.broadcast_to(data, bounded(shape, inputs))


@_register("Tile")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    data, repeats = _first(inputs), listed(node, "repeats", inputs, 1) or ()
    bounded([size * times for size, times in zip(data.shape, repeats, strict=True)], inputs)
    return np.tile(data, repeats)


@_register("Range")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    start, limit, step = (array.item() for array in inputs if array is not None)
    bounded([max(0, -int((start - limit) // step))], inputs)
    return np.arange(start, limit, step, dtype=_first(inputs).dtype)


@_register("Where")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    condition, yes, no = (array for array in inputs if array is not None)
    bounded(np.broadcast_shapes(condition.shape, yes.shape, no.shape), inputs)
    return np.where(condition, yes, no)


@_register("DequantizeLinear")
def _(node: OnnxNode, inputs: Inputs) -> Array:
    quantized, scale = _first(inputs), inputs[1]
    if scale is None or node.integer("block_size", 0):
        raise ReadError("is quantized by blocks", place=node.place, advice="export the model with float weights")
    zero = inputs[2] if len(inputs) > 2 else None
    spread = [1] * quantized.ndim
    if scale.ndim:
        spread[node.integer("axis", 1)] = -1
    shift = np.zeros(1, np.float32) if zero is None else zero.astype(np.float32)
    shift = shift.reshape(spread) if shift.size > 1 else shift.reshape(())
    scales = scale.astype(np.float32)
    return (quantized.astype(np.float32) - shift) * (scales.reshape(spread) if scale.ndim else scales)


def _divide(a: Array, b: Array) -> Array:
    """ONNX divides whole numbers towards zero."""
    if np.issubdtype(a.dtype, np.integer):
        if not np.all(b):
            raise ReadError("divides by zero")
        quotient: Array = (np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))).astype(a.dtype)
        return quotient
    exact: Array = a / b
    return exact


BINARY: dict[str, Callable[[Any, Any], Array]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _divide,
    "Pow": lambda a, b: np.power(a, b).astype(a.dtype),
    "Mod": np.mod,
    "Min": np.minimum,
    "Max": np.maximum,
    "Equal": np.equal,
    "Less": np.less,
    "Greater": np.greater,
    "LessOrEqual": np.less_equal,
    "GreaterOrEqual": np.greater_equal,
    "And": np.logical_and,
    "Or": np.logical_or,
}
UNARY: dict[str, Callable[[Any], Array]] = {
    "Neg": np.negative,
    "Abs": np.abs,
    "Sqrt": np.sqrt,
    "Exp": np.exp,
    "Log": np.log,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Round": np.round,
    "Reciprocal": np.reciprocal,
    "Not": np.logical_not,
    "Sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "Tanh": np.tanh,
}
REDUCTIONS: dict[str, Callable[..., Array]] = {
    "ReduceSum": np.sum,
    "ReduceProd": np.prod,
    "ReduceMean": np.mean,
    "ReduceMin": np.min,
    "ReduceMax": np.max,
    "ReduceSumSquare": lambda a, **axes: np.sum(np.square(a), **axes),
    "ReduceL2": lambda a, **axes: np.sqrt(np.sum(np.square(a), **axes)),
}


@_register(*BINARY)
def _(node: OnnxNode, inputs: Inputs) -> Array:
    total, *others = [array for array in inputs if array is not None]
    for other in others:
        bounded(np.broadcast_shapes(total.shape, other.shape), inputs)
        total = BINARY[node.kind](total, other)
    return total


@_register(*UNARY)
def _(node: OnnxNode, inputs: Inputs) -> Array:
    return UNARY[node.kind](_first(inputs))


@_register(*REDUCTIONS)
def _(node: OnnxNode, inputs: Inputs) -> Array:
    data, axes = _first(inputs), listed(node, "axes", inputs, 1)
    if not axes and node.integer("noop_with_empty_axes", 0):
        return data
    result = REDUCTIONS[node.kind](data, axis=axes or None, keepdims=bool(node.integer("keepdims", 1)))
    return np.asarray(result).astype(data.dtype)
