"""Rules for operations that take parts of tensors, join them, or add to their edges."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from convsmith.backend.read.axes import BATCH, REPEAT, Axes, Piece
from convsmith.backend.read.draft import Value
from convsmith.backend.read.laid import Known, Laid, resized
from convsmith.backend.read.module.call import Call, Symbol, owner_of, rule
from convsmith.network import ops


def cut(call: Call, laid: Laid, dim: int, start: int, stop: int, step: int = 1) -> Laid:
    """What lies from `start` up to `stop` along a dim; torch's negative and large indices are allowed."""
    size = laid.sizes[dim]
    start, stop, step = slice(start, stop, step).indices(size)
    if (start, step) == (0, 1) and stop >= size:
        return laid
    if _has_images(laid, dim):
        call.refuse("a choice among the images of a batch", "treat every image alike")
    outer = laid.axes.dims[dim]
    if len(outer) == 1 and outer[0].axis >= 0 and step == 1:
        part = outer[0]
        if part.size * part.step == laid.value.shape[part.axis]:
            return _cut_outer(call, laid, dim, start, stop)
    if {piece.axis for piece in laid.axes.dims[dim]} == {REPEAT}:
        dims = list(laid.axes.dims)
        count = len(range(start, stop, step))
        dims[dim] = (Piece(REPEAT, count),) if count > 1 else ()
        return Laid(laid.value, Axes(tuple(dims)))
    laid, axis = call.layouts.with_axis(laid, dim, call.spot)
    value = call.draft.add(
        ops.Slice(start, stop, axis, step), laid.value, name=call.spot.named("slice"), place=call.spot.place
    )
    return resized(laid, value, axis)


def _has_images(laid: Laid, dim: int) -> bool:
    return any(piece.axis == BATCH for piece in laid.axes.dims[dim])


def _cut_outer(call: Call, laid: Laid, dim: int, start: int, stop: int) -> Laid:
    """A cut along the outermost part of an axis: one slice, whatever lies within."""
    axis, _, step = laid.axes.dims[dim][0]
    op = ops.Slice(start * step, stop * step, axis)
    value = call.draft.add(op, laid.value, name=call.spot.named("slice"), place=call.spot.place)
    dims = list(laid.axes.dims)
    dims[dim] = (Piece(axis, stop - start, step),) if stop - start > 1 else ()
    return Laid(value, Axes(tuple(dims)))


def without(laid: Laid, dim: int) -> Laid:
    """Without a dim of size 1."""
    return Laid(laid.value, Axes(tuple(d for i, d in enumerate(laid.axes.dims) if i != dim)))


@rule("slice", "slice_copy")
def take_slice(call: Call) -> Symbol:
    laid = call.laid("self")
    dim = call["dim"] % len(laid.sizes)
    start, end = call["start"] or 0, call["end"]
    return cut(call, laid, dim, start, laid.sizes[dim] if end is None else end, call["step"])


@rule("narrow", "narrow_copy")
def narrow(call: Call) -> Symbol:
    laid = call.laid("self")
    start = call["start"]
    return cut(call, laid, call["dim"] % len(laid.sizes), start, start + call["length"])


@rule("select", "select_copy")
def select(call: Call) -> Symbol:
    return _select(call, call.laid("self"), call["dim"], call["index"])


def _select(call: Call, laid: Laid, dim: int, index: int) -> Laid:
    dim %= len(laid.sizes)
    index %= laid.sizes[dim]
    return without(cut(call, laid, dim, index, index + 1), dim)


@rule("unbind")
def unbind(call: Call) -> Symbol:
    laid = call.laid("self")
    return tuple(_select(call, laid, call["dim"], i) for i in range(laid.sizes[call["dim"]]))


@rule("chunk", "split", "split_with_sizes", "tensor_split", "unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes")
def split(call: Call) -> Symbol:
    """Parts whose sizes torch has computed."""
    laid = call.laid("self")
    dim = call["dim"] % len(laid.sizes)
    parts, start = [], 0
    for part in call.node.meta["val"]:
        parts.append(cut(call, laid, dim, start, start + part.shape[dim]))
        start += part.shape[dim]
    return tuple(parts)


@rule("cat", "concat", "concatenate")
def concatenate(call: Call) -> Symbol:
    tensors = call["tensors"]
    return join(call, tensors, call["dim"] % len(call.sizes))


@rule("stack")
def stack(call: Call) -> Symbol:
    dim = call["dim"] % len(call.sizes)
    return join(call, [_unsqueezed(tensor, dim) for tensor in call["tensors"]], dim)


def _unsqueezed(symbol: Symbol, dim: int) -> Symbol:
    if isinstance(symbol, Known):
        return symbol.like(symbol.tensor.unsqueeze(dim))
    return Laid(symbol.value, Axes((*symbol.axes.dims[:dim], (), *symbol.axes.dims[dim:])))


def join(call: Call, symbols: Sequence[Symbol], dim: int) -> Laid:
    """Tensors one after the other along a dim; zeros at the ends of channels are padding."""
    symbols = [s for s in symbols if not (isinstance(s, Known) and s.tensor.numel() == 0)]
    padded = _zeros_at_ends(call, symbols, dim)
    if padded is not None:
        return padded
    if any(isinstance(s, Laid) and _has_images(s, dim) for s in symbols):
        call.refuse("a batch that is put together from several", "join channels, or add")
    tensors = [constant(call, s, call.sizes) if isinstance(s, Known) else s for s in symbols]
    moved = [call.layouts.with_axis(laid, dim, call.spot) for laid in tensors]
    first, axis = moved[0]
    if not all(at == axis and _alike(laid, first, axis) for laid, at in moved):
        first, axis = call.layouts.settled(first, call.spot), dim - 1
        moved = [(call.layouts.settled(laid, call.spot), axis) for laid in tensors]
    value = call.add(ops.Concat(axis), *(laid.value for laid, _ in moved), word="concat")
    dims = list(first.axes.dims)
    dims[dim] = (Piece(axis, value.shape[axis]),)
    return Laid(value, Axes(tuple(dims)))


def _alike(laid: Laid, other: Laid, axis: int) -> bool:
    """Whether both lie alike over their values, but for the size of this axis."""
    shapes = [tuple(side for i, side in enumerate(x.value.shape) if i != axis) for x in (laid, other)]
    dims = [tuple(() if any(p.axis == axis for p in dim) else dim for dim in x.axes.dims) for x in (laid, other)]
    return shapes[0] == shapes[1] and dims[0] == dims[1]


def _zeros_at_ends(call: Call, symbols: Sequence[Symbol], dim: int) -> Laid | None:
    """One map between channels of zeros (the parameter-free shortcut)."""
    laid = [i for i, symbol in enumerate(symbols) if isinstance(symbol, Laid)]
    zeros = all(symbol.number == 0 for symbol in symbols if isinstance(symbol, Known))
    if len(laid) != 1 or not zeros or len(symbols) == 1:
        return symbols[0] if len(symbols) == 1 else None
    widths = [int(s.tensor.shape[dim]) if isinstance(s, Known) else 0 for s in symbols]
    edges = [(0, 0)] * len(call.sizes)
    edges[dim] = (sum(widths[: laid[0]]), sum(widths[laid[0] :]))
    return _pad(call, symbols[laid[0]], edges, "constant", 0.0)


def constant(call: Call, known: Known, sizes: Sequence[int]) -> Laid:
    """A known tensor as a node of its own, in as many dims as `sizes` has."""
    whole, known = tuple(known.tensor.shape), known.once
    tensor = known.tensor.reshape((1,) * (len(sizes) - known.tensor.ndim) + tuple(known.tensor.shape))
    if not torch.equal(tensor[:1].expand_as(tensor), tensor):
        call.refuse("a constant that differs between the images of a batch")
    laid = call.layouts.lay(constant_value(call, known.like(tensor[0])))
    whole = (call.layouts.batch, *((1,) * (len(sizes) - len(whole)) + whole)[1:])
    return Laid(laid.value, laid.axes.expanded(whole))


def constant_value(call: Call, known: Known) -> Value:
    """A known tensor, without the batch, as a node of its own."""
    tensor = known.tensor if known.tensor.ndim else known.tensor.reshape(1)
    op = ops.Constant(tuple(tensor.shape), known.trainable)
    name = owner_of({"value": known}) or call.spot.named("constant")
    if known.name is None and known.sources:
        call.draft.note(f"{call.spot.place}: a constant was computed once from {', '.join(sorted(known.sources))}")
    return call.draft.add(op, name=name, weights={"value": tensor.float()}, place=call.spot.place)


@rule("pad", "constant_pad_nd", "reflection_pad2d", "replication_pad2d", "_pad_circular")
def pad(call: Call) -> Symbol:
    laid = call.laid("self")
    sides = list(call["pad" if "pad" in call.arguments else "padding"])
    edges = [(0, 0)] * len(laid.sizes)
    for i in range(len(sides) // 2):
        edges[-1 - i] = (int(sides[2 * i]), int(sides[2 * i + 1]))
    modes = {"reflection_pad2d": "reflect", "replication_pad2d": "replicate", "_pad_circular": "circular"}
    mode: str = modes.get(call.packet) or call.get("mode", "constant")
    return _pad(call, laid, edges, mode, float(call.get("value") or 0.0))


def _pad(call: Call, laid: Laid, edges: Sequence[tuple[int, int]], mode: str, value: float) -> Laid:
    """More at the edges of dims, (before, after) for each."""
    if edges[0] != (0, 0):
        call.refuse("padding of a batch", "pad height and width")
    axes = [laid.axes.axis_of(dim, laid.value.shape) for dim in range(len(edges))]
    whole = len(laid.value.shape) == 3 and all(
        axes[dim] is not None and laid.axes.dims[dim] for dim, edge in enumerate(edges) if edge != (0, 0)
    )
    if not whole:
        laid = call.layouts.settled(laid, call.spot)
        axes = [dim - 1 for dim in range(len(edges))]
    if len(laid.value.shape) != 3:
        call.refuse(f"padding of a tensor {list(laid.sizes)}", "pad images (N, C, H, W)")
    by_axis = [(0, 0)] * 3
    for dim, edge in enumerate(edges):
        if edge != (0, 0):
            by_axis[axes[dim] or 0] = edge
    channels, (top, bottom), (left, right) = by_axis
    op = ops.Pad((top, bottom, left, right), channels, mode, value)  # type: ignore[arg-type]
    padded = call.add(op, laid.value, word="pad")
    dims = list(laid.axes.dims)
    for dim, edge in enumerate(edges):
        if edge != (0, 0):
            axis = axes[dim] or 0
            dims[dim] = (Piece(axis, padded.shape[axis]),)
    return Laid(padded, Axes(tuple(dims)))


@rule("repeat", "tile")
def repeat(call: Call) -> Symbol:
    laid = call.laid("self")
    times = list(call["repeats" if "repeats" in call.arguments else "dims"])
    times = [1] * (len(laid.sizes) - len(times)) + times
    dims = ((),) * (len(times) - len(laid.sizes)) + laid.axes.dims
    if times[0] != 1:
        call.refuse("images that are repeated in the batch", "repeat channels")
    repeated = [((Piece(REPEAT, count),) if count > 1 else ()) + dim for count, dim in zip(times, dims, strict=True)]
    return Laid(laid.value, Axes(tuple(repeated)))


@rule("repeat_interleave")
def repeat_interleave(call: Call) -> Symbol:
    laid, count = call.laid("self"), call["repeats"]
    if not isinstance(count, int) or call["dim"] is None:
        call.refuse("repeat_interleave with a number for each element", "repeat every element alike")
    dims = list(laid.axes.dims)
    dims[call["dim"]] = (*dims[call["dim"]], *((Piece(REPEAT, count),) if count > 1 else ()))
    return Laid(laid.value, Axes(tuple(dims)))


@rule("roll")
def roll(call: Call) -> Symbol:
    laid = call.laid("self")
    for shift, dim in zip(call["shifts"], call["dims"], strict=True):
        size = laid.sizes[dim]
        split_at = -shift % size
        if split_at:
            dim %= len(laid.sizes)
            laid = join(call, [cut(call, laid, dim, split_at, size), cut(call, laid, dim, 0, split_at)], dim)
    return laid


@rule("index_select", "index")
def index(call: Call) -> Symbol:
    """A choice of channels or positions that is known: slices where they follow each other."""
    laid = call.laid("self")
    indices = [call["index"]] if call.packet == "index_select" else call["indices"]
    chosen = [i for i, known in enumerate(indices) if known is not None]
    if len(chosen) != 1 or not isinstance(indices[chosen[0]], Known):
        call.refuse("a choice of elements by a tensor", "use slices, torch.split or torch.flip")
    dim = call["dim"] if call.packet == "index_select" else chosen[0]
    where = indices[chosen[0]].tensor
    if where.dtype == torch.bool:
        where = where.nonzero().flatten()
    if where.ndim != 1:
        call.refuse("a choice of elements by a tensor of several axes", "use slices or torch.split")
    return _gather(call, laid, dim % len(laid.sizes), [int(i) % laid.sizes[dim] for i in where])


@rule("im2col", "col2im")
def unfold(call: Call) -> Symbol:
    call.refuse("unfold, whose windows become channels", "use a convolution")


@rule("flip")
def flip(call: Call) -> Symbol:
    laid = call.laid("self")
    for dim in call["dims"]:
        dim %= len(laid.sizes)
        laid = _gather(call, laid, dim, list(range(laid.sizes[dim]))[::-1])
    return laid


def _gather(call: Call, laid: Laid, dim: int, indices: Sequence[int]) -> Laid:
    """These positions of a dim, by as few slices as give them."""
    runs = _runs(indices)
    if len(runs) > MOST_SLICES:
        call.refuse(
            f"a choice of {len(indices)} elements in no order", "use slices, channel_shuffle or a 1x1 convolution"
        )
    parts = [cut(call, laid, dim, start, stop, step) for start, stop, step in runs]
    return join(call, parts, dim) if len(parts) > 1 else parts[0]


MOST_SLICES = 64
"""A choice of elements that takes more slices than this is refused."""


def _runs(indices: Sequence[int]) -> list[tuple[int, int, int]]:
    """Indices as (start, stop, step) of runs at a constant step upwards."""
    runs: list[tuple[int, int, int]] = []
    position = 0
    while position < len(indices):
        start, end = indices[position], position + 1
        step = indices[end] - start if end < len(indices) else 1
        if step < 1:
            step = 1
        while end < len(indices) and indices[end] - indices[end - 1] == step:
            end += 1
        runs.append((start, indices[end - 1] + 1, step))
        position = end
    return runs


@rule("copy")
def copy(call: Call) -> Symbol:
    """Everything overwritten."""
    source = call["src"]
    if isinstance(source, Laid):
        return Laid(source.value, source.axes.expanded(call.sizes))
    return source.like(source.tensor.expand(call.sizes))


@rule("slice_scatter", "select_scatter")
def scatter(call: Call) -> Symbol:
    """A tensor of which a part was overwritten: what lies before it, the part, what lies behind."""
    dim = call["dim"] % len(call.sizes)
    size, source, whole = call.sizes[dim], call["src"], call["self" if "self" in call.arguments else "input"]
    if call.packet == "select_scatter":
        start, step = call["index"] % size, 1
        stop, source = start + 1, _unsqueezed(source, dim)
    else:
        start, stop, step = slice(call["start"], call["end"], call["step"]).indices(size)
    if step != 1:
        call.refuse("writing into every second element", "join slices by torch.cat")
    parts = [_part(call, whole, dim, 0, start), source, _part(call, whole, dim, stop, size)]
    return join(call, [part for part in parts if part is not None], dim)


def _part(call: Call, symbol: Symbol, dim: int, start: int, stop: int) -> Symbol:
    if stop <= start:
        return None
    if isinstance(symbol, Known):
        return symbol.like(symbol.tensor.narrow(dim, start, stop - start))
    return cut(call, symbol, dim, start, stop)
