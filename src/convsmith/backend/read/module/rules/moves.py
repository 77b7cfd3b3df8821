"""Rules for operations that only change how a tensor is seen: they add no layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from convsmith.backend.read.axes import Axes
from convsmith.backend.read.laid import Known, Laid
from convsmith.backend.read.module.call import Call, Symbol, rule
from convsmith.network import ops


@rule(
    "alias", "contiguous", "clone", "detach", "lift", "lift_fresh", "lift_fresh_copy", "_conj", "resolve_conj",
    "resolve_neg", "requires_grad_", "positive",
)  # fmt: skip
def as_it_is(call: Call) -> Symbol:
    return call.laid("self")


@rule("to", "_to_copy", "type_as", "float", "double", "_autocast_to_full_precision")
def cast(call: Call) -> Symbol:
    """Another floating-point type or device: weights are read as float32."""
    if not call.node.meta["val"].dtype.is_floating_point:
        call.refuse(f"a cast of the image to {call.node.meta['val'].dtype}", "compute in floating point")
    return call.laid("self")


@rule(
    "view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as",
    "_reshape_alias", "ravel", "view_copy", "squeeze_copy", "unsqueeze_copy", "atleast_3d",
)  # fmt: skip
def reshape(call: Call) -> Symbol:
    laid = call.laid("self")
    axes = laid.axes.reshaped(call.sizes)
    if axes is None:  # as in 6x4 to 8x3: only the elements' order counts
        batch, *rest = laid.axes.dims
        whole = Laid(laid.value, Axes((batch, tuple(piece for dim in rest for piece in dim))))
        laid = call.layouts.settled(whole, call.spot)
        axes = laid.axes.reshaped(call.sizes)
    if axes is None:
        call.refuse(f"a reshape to {list(call.sizes)}, which mixes images", "keep the batch as the first axis")
    seen = Laid(laid.value, axes)
    if len(call.sizes) == 2 and len(laid.value.shape) == 3:
        return _flat(call, seen)
    return call.layouts.settle_if_named(seen, call.spot)


def _flat(call: Call, laid: Laid) -> Laid:
    """A map that becomes a vector in its own order does so here, where the code has it."""
    value = laid.value
    whole = Axes.of(value.shape, call.layouts.batch).reshaped(call.sizes) if laid.axes.has_images_first() else None
    if whole != laid.axes:
        return laid
    return call.lay(call.add(ops.Flatten(), value, word="flatten"))


@rule("permute", "permute_copy")
def permute(call: Call) -> Symbol:
    laid = call.laid("self")
    return Laid(laid.value, laid.axes.permuted(_dims(call["dims"], len(laid.sizes))))


@rule("transpose", "swapaxes", "swapdims", "transpose_copy")
def transpose(call: Call) -> Symbol:
    laid = call.laid("self")
    names = [name for name in ("dim0", "dim1", "axis0", "axis1") if name in call.arguments]
    first, second = _dims([call[name] for name in names], len(laid.sizes))
    order = list(range(len(laid.sizes)))
    order[first], order[second] = second, first
    return Laid(laid.value, laid.axes.permuted(order))


@rule("t", "numpy_T", "mT", "matrix_H", "adjoint")
def matrix_transpose(call: Call) -> Symbol:
    laid = call.laid("self")
    rank = len(laid.sizes)
    return Laid(laid.value, laid.axes.permuted([*range(rank - 2), rank - 1, rank - 2]))


@rule("movedim", "moveaxis")
def movedim(call: Call) -> Symbol:
    laid = call.laid("self")
    rank = len(laid.sizes)
    source, target = (
        _dims([call[n]] if isinstance(call[n], int) else call[n], rank) for n in ("source", "destination")
    )
    order: list[int] = [-1] * rank
    for come, go in zip(source, target, strict=True):
        order[go] = come
    left = iter(dim for dim in range(rank) if dim not in source)
    return Laid(laid.value, laid.axes.permuted([next(left) if dim < 0 else dim for dim in order]))


@rule("expand", "expand_as", "broadcast_to", "expand_copy")
def expand(call: Call) -> Symbol:
    laid = call.laid("self")
    return Laid(laid.value, laid.axes.expanded(call.sizes))


@rule("pixel_shuffle", "pixel_unshuffle")
def pixels(call: Call) -> Symbol:
    value = call.maps(call.laid("self"))
    if call.packet == "pixel_shuffle":
        return call.lay(call.add(ops.PixelShuffle(call["upscale_factor"]), value))
    return call.lay(call.add(ops.PixelUnshuffle(call["downscale_factor"]), value))


@rule("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(call: Call) -> Symbol:
    value = call.maps(call.laid("self"))
    return call.lay(call.add(ops.ChannelShuffle(call["groups"]), value, word="shuffle"))


@rule("dropout", "native_dropout")
def dropout(call: Call) -> Symbol:
    return _noise(call, ops.Dropout(_probability(call)))


@rule("feature_dropout")
def feature_dropout(call: Call) -> Symbol:
    return _noise(call, ops.Dropout(_probability(call), "channel"))


@rule("alpha_dropout", "feature_alpha_dropout")
def alpha_dropout(call: Call) -> Symbol:
    return _noise(call, ops.AlphaDropout(_probability(call)))


@rule("convsmith.stochastic_depth")
def stochastic_depth(call: Call) -> Symbol:
    return _noise(call, ops.StochasticDepth(_probability(call)))


def _probability(call: Call) -> float:
    return float(call["p"])


def _noise(call: Call, op: ops.Dropout | ops.AlphaDropout | ops.StochasticDepth) -> Symbol:
    laid = call.laid("x" if "x" in call.arguments else "input")
    if not op.p:
        return laid
    word = "drop" if isinstance(op, ops.StochasticDepth) else "dropout"
    return Laid(call.add(op, laid.value, word=word), laid.axes)


@rule("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full", "empty_like", "new_empty", "fill")
def filled(call: Call) -> Symbol:
    """A tensor of one number, which depends on the image's size only."""
    if "empty" in call.packet:
        call.refuse("a tensor that is not filled", "use torch.zeros")
    value = call.get("fill_value", call.get("value", 1.0 if "ones" in call.packet else 0.0))
    number = value.number if isinstance(value, Known) else value
    if not isinstance(number, (int, float)):
        call.refuse("a tensor filled with what is computed from the image", "expand it")
    return Known(torch.full(call.sizes, float(number)))


def _dims(dims: Sequence[int], rank: int) -> list[int]:
    """Dims counted from the front."""
    return [dim % rank for dim in dims]
