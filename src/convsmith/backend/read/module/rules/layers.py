"""Rules for convolutions, dense layers and matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from convsmith.backend.read.axes import BATCH, Axes, Piece
from convsmith.backend.read.draft import Value
from convsmith.backend.read.laid import Known, Laid, resized
from convsmith.backend.read.module.call import Call, Symbol, pair_of, rule
from convsmith.backend.read.module.rules.pieces import constant
from convsmith.network import ops

Sides = tuple[int, int, int, int]
"""(top, bottom, left, right)."""


@rule("conv2d", "conv1d", "convolution", "conv3d")
def conv(call: Call) -> Symbol:
    """Convolution over maps, or over a sequence (N, C, L) as maps (C, L, 1)."""
    if call.get("transposed"):
        return transposed(call)
    rank = len(call.laid("input").sizes) - 2
    if rank not in (1, 2):
        call.refuse(f"a convolution over {rank} axes", "convolutions are over height and width")
    weight, bias = _weight(call, rank), call.known("bias")
    kernel = pair_of(weight.tensor.shape[2:])
    stride, dilation = _pair(call["stride"], 1, rank), _pair(call["dilation"], 1, rank)
    padding = _padding(call["padding"], kernel, dilation, rank)
    value, padding = _unpadded(call, call.maps(call.laid("input"), rank), padding)
    op = ops.Conv(weight.tensor.shape[0], kernel, stride, padding, dilation, call["groups"], bias is not None)
    return call.lay(call.add(op, value, word="conv", weights=_given(weight, bias)))


@rule("conv_transpose2d", "conv_transpose1d")
def transposed(call: Call) -> Symbol:
    rank = len(call.laid("input").sizes) - 2
    if rank not in (1, 2):
        call.refuse(f"a convolution over {rank} axes", "convolutions are over height and width")
    weight, bias = _weight(call, rank), call.known("bias")
    kernel = pair_of(weight.tensor.shape[2:])
    vertical, horizontal = _pair(call["padding"], 0, rank)
    op = ops.ConvTranspose(
        weight.tensor.shape[1] * call["groups"], kernel, _pair(call["stride"], 1, rank), bias is not None,
        padding=(vertical, vertical, horizontal, horizontal),
        output_padding=_pair(call["output_padding"], 0, rank),
        dilation=_pair(call["dilation"], 1, rank), groups=call["groups"],
    )  # fmt: skip
    value = call.maps(call.laid("input"), rank)
    return call.lay(call.add(op, value, word="conv", weights=_given(weight, bias)))


def _weight(call: Call, rank: int) -> Known:
    weight = call.known("weight")
    if weight is None:
        call.refuse(f"{call.packet} without a weight")
    return weight if rank == 2 else weight.like(weight.tensor.unsqueeze(-1))


def _given(weight: Known, bias: Known | None) -> dict[str, Known]:
    return {"weight": weight} if bias is None else {"weight": weight, "bias": bias}


def _pair(value: Sequence[int] | int, default: int, rank: int) -> tuple[int, int]:
    """(vertical, horizontal); a sequence lies along the vertical."""
    pair = pair_of(value, default)
    return pair if rank == 2 else (pair[0], default)


def _padding(value: str | Sequence[int] | int, kernel: Sequence[int], dilation: Sequence[int], rank: int) -> Sides:
    """Torch's padding in numbers; its "same" puts the odd zero last."""
    if value == "valid":
        return (0, 0, 0, 0)
    if isinstance(value, str):
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return (total[0] // 2, total[0] - total[0] // 2, total[1] // 2, total[1] - total[1] // 2)
    vertical, horizontal = _pair(value, 0, rank)
    return (vertical, vertical, horizontal, horizontal)


def _unpadded(call: Call, value: Value, padding: Sides) -> tuple[Value, Sides]:
    """Zeros that a layer of its own puts around the map, as the convolution's padding."""
    op, source = call.draft.op_of(value), call.draft.inputs_of(value)
    if not isinstance(op, ops.Pad) or op.channels != (0, 0) or op.mode != "constant" or op.value or min(op.padding) < 0:
        return value, padding
    top, bottom, left, right = op.padding
    return source[0], (top + padding[0], bottom + padding[1], left + padding[2], right + padding[3])


@rule("linear")
def linear(call: Call) -> Symbol:
    weight = call["weight"]
    if not isinstance(weight, Known):
        call.refuse("a dense layer whose weight is computed from the image", "use torch.matmul")
    return dense(call, call.laid("input"), weight, call.known("bias"))


@rule("addmm")
def addmm(call: Call) -> Symbol:
    weight, bias = call.known("mat2"), call.known("self")
    if weight is None or call["beta"] != 1 or call["alpha"] != 1:
        call.refuse("addmm with factors", "use nn.Linear")
    return dense(call, call.laid("mat1"), weight.like(weight.tensor.t()), bias)


def dense(call: Call, laid: Laid, weight: Known, bias: Known | None) -> Laid:
    """A dense layer over the last dim. Over the channels of a map it is a convolution of 1x1, which moves nothing."""
    laid, axis = call.layouts.with_axis(laid, len(laid.sizes) - 1, call.spot)
    shape = laid.value.shape
    features = weight.tensor.shape[0]
    if len(shape) == 3 and axis == 0 and shape[1:] != (1, 1):
        op: ops.Op = ops.Conv(features, (1, 1), bias=bias is not None)
        value = call.add(op, laid.value, weights=_given(weight.like(weight.tensor[:, :, None, None]), bias))
        return resized(laid, value, axis)
    if axis != len(shape) - 1:
        # The features must be the last axis of the value: the other axes in their order, then these.
        order = [*(i for i in range(len(shape)) if i != axis), axis]
        straight = call.layouts.lay(laid.value).axes.permuted([0, *(i + 1 for i in order)])
        if prod(shape) == shape[axis]:
            straight = Axes((straight.dims[0], straight.dims[-1]))
        value = call.settle(Laid(laid.value, straight))
        laid = Laid(value, _renumbered(laid.axes, {old: new for new, old in enumerate(order)}, len(value.shape)))
        axis = len(value.shape) - 1
    op = ops.Linear(features, bias is not None)
    return resized(laid, call.add(op, laid.value, word="linear", weights=_given(weight, bias)), axis)


def _renumbered(axes: Axes, numbers: dict[int, int], rank: int) -> Axes:
    if rank < len(numbers):
        numbers = dict.fromkeys(numbers, 0)  # only the features are left
    return Axes(
        tuple(tuple(p if p.axis < 0 else Piece(numbers[p.axis], p.size, p.step) for p in dim) for dim in axes.dims)
    )


@rule("matmul", "mm", "bmm", "mv")
def matmul(call: Call) -> Symbol:
    first, second = (call.get(name) for name in _operands(call))
    if isinstance(second, Known) and isinstance(first, Laid) and not first.axes.has_images_first():
        leading = second.tensor.shape[:-2]
        second = second.like(second.tensor.reshape(second.tensor.shape[-2:])) if set(leading) <= {1} else second
    if isinstance(second, Known) and isinstance(first, Laid) and second.tensor.ndim <= 2:
        weight = second.tensor.t() if second.tensor.ndim == 2 else second.tensor[None]
        found = dense(call, first, second.like(weight), None)
        return found if second.tensor.ndim == 2 else _without_last(found)
    if isinstance(first, Known) and isinstance(second, Laid) and first.tensor.ndim == 2:
        order = [*range(len(second.sizes) - 2), len(second.sizes) - 1, len(second.sizes) - 2]
        turned = dense(call, Laid(second.value, second.axes.permuted(order)), first, None)
        return Laid(turned.value, turned.axes.permuted(order))
    first, second = (constant(call, x, x.tensor.shape) if isinstance(x, Known) else x for x in (first, second))
    return product(call, first, second)


def _operands(call: Call) -> tuple[str, str]:
    return ("self", "mat2") if "mat2" in call.arguments else ("self", "vec" if "vec" in call.arguments else "other")


def _without_last(laid: Laid) -> Laid:
    return Laid(laid.value, Axes(laid.axes.dims[:-1]))


def product(call: Call, first: Laid, second: Laid) -> Laid:
    """(..., M, K) by (..., K, N) of two tensors; leading dims may hold heads beside the images."""
    a, b = first.axes.unrepeated().dims, second.axes.unrepeated().dims
    if min(len(a), len(b)) < 3:
        call.refuse(f"a product of {list(first.sizes)} and {list(second.sizes)}", "keep the batch as an axis")
    rank = max(len(a), len(b))
    a, b = ((*dims[:1], *(((),) * (rank - len(dims))), *dims[1:]) for dims in (a, b))
    lead = Axes(a[:-2])
    if lead.sizes != Axes(b[:-2]).sizes:  # one is repeated
        operands = [call.settle(Laid(x.value, Axes(dims))) for x, dims in ((first, a), (second, b))]
        return call.layouts.lay(call.add(ops.MatMul(), *operands, word="matmul"))
    # The second's leading dims in the pieces of the first's, so that both have one axis for each.
    flat = [piece for dim in lead.dims for piece in dim]
    plain = [piece for piece in flat if piece.axis != BATCH]
    other = Axes(b[:-2]).reshaped([piece.size for piece in flat]) if lead.sizes == Axes(b[:-2]).sizes else None
    if other is None:
        call.refuse(f"a product of {list(first.sizes)} and {list(second.sizes)}", "give both the same leading axes")
    pairs = list(zip(flat, other.dims, strict=True))
    images = [(piece, dim) for piece, dim in pairs if piece.axis == BATCH]
    rest = [(piece, dim) for piece, dim in pairs if piece.axis != BATCH]
    left = Axes((tuple(piece for piece, _ in images), *((piece,) for piece, _ in rest), *a[-2:]))
    right = Axes((tuple(p for _, dim in images for p in dim), *(dim for _, dim in rest), *b[-2:]))
    value = call.add(
        ops.MatMul(), call.settle(Laid(first.value, left)), call.settle(Laid(second.value, right)), word="matmul"
    )
    axes = {piece: Piece(axis, piece.size) for axis, piece in enumerate(plain)}
    dims = [tuple(piece if piece.axis == BATCH else axes[piece] for piece in dim) for dim in lead.dims]
    result = Axes.of(value.shape, call.layouts.batch).dims[-2:]
    return Laid(value, Axes((*dims, *result)))
