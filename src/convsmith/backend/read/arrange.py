"""The layers that an arrangement of a value's axes takes: one that is made for it, or reshapes and a permutation."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from convsmith.backend.read.axes import REPEAT, Axes, Dim, Piece
from convsmith.network import ops
from convsmith.network.dims import Shape
from convsmith.network.ops import Op


class Step(NamedTuple):
    """A layer, and the word that names it if nothing else does."""

    op: Op
    word: str


def arrangement(shape: Shape, axes: Axes) -> list[Step] | None:
    """Layers from a value (N, *shape) to how `axes` has it; None where not every element appears just once."""
    known = named(shape, axes)
    if known is not None:
        return known
    dims, size = axes.dims[1:], axes.sizes[1:]
    pieces = sorted({piece for dim in dims for piece in dim}, key=lambda piece: (piece.axis, -piece.step))
    order = [pieces.index(piece) for dim in dims for piece in dim]
    if sorted(order) != list(range(len(pieces))) or prod(size) != prod(shape):
        return None
    if order == sorted(order):
        return reshape_to(shape, size)
    cut = tuple(piece.size for piece in pieces)
    steps: list[Step] = []
    if [side for side in shape if side > 1] == list(cut):  # a side of 1 is not worth a reshape of its own
        order, cut = _order_with_ones(shape, dims), shape
    else:
        steps = reshape_to(shape, cut)
    steps.append(Step(ops.Permute(tuple(order)), "permute"))
    return steps + reshape_to(tuple(cut[i] for i in order), size)


def reshape_to(shape: Shape, size: Shape) -> list[Step]:
    """The layer between two shapes of as many elements; none between equal ones."""
    if tuple(shape) == tuple(size):
        return []
    return [Step(ops.Flatten(), "flatten") if len(size) == 1 else Step(ops.Reshape(tuple(size)), "reshape")]


def named(shape: Shape, axes: Axes) -> list[Step] | None:
    """Layers that are made for an arrangement of a map's channels and positions; None if there are none."""
    dims = axes.dims[1:]
    if len(shape) != 3 or len(dims) != 3:
        return None
    counts = [len(dim) for dim in dims]
    if counts[0] == 2 and dims[1:] == (_whole(1, shape), _whole(2, shape)):
        return _shuffle(dims)
    if counts == [1, 2, 2]:
        return _depth_to_space(shape, dims)
    return _space_to_depth(shape, dims) if counts == [3, 1, 1] else None


def repetition(shape: Shape, axes: Axes) -> Step | None:
    """The whole value again and again along axes (`Tensor.repeat`)."""
    dims = axes.dims[1:]
    if len(dims) != len(shape):
        return None
    times = []
    for axis, dim in enumerate(dims):
        count = dim[0].size if len(dim) > 1 and dim[0].axis == REPEAT else 1
        if dim != ((Piece(REPEAT, count),) if count > 1 else ()) + _whole(axis, shape):
            return None
        times.append(count)
    return Step(ops.Repeat(tuple(times)), "repeat")


def enlargement(shape: Shape, axes: Axes) -> Step | None:
    """Nearest-neighbour enlargement, where every position of a map is repeated beside itself."""
    dims = axes.dims[1:]
    if len(shape) != 3 or len(dims) != 3 or dims[0] != _whole(0, shape):
        return None
    factors = []
    for axis in (1, 2):
        factor = dims[axis][-1].size if dims[axis] and dims[axis][-1].axis == REPEAT else 1
        if dims[axis] != _whole(axis, shape) + ((Piece(REPEAT, factor),) if factor > 1 else ()):
            return None
        factors.append(factor)
    if shape[1:] == (1, 1):
        return None  # a vector for each channel is expanded, not enlarged
    return Step(ops.Upsample((factors[0], factors[1])), "upsample")


def _whole(axis: int, shape: Shape) -> Dim:
    return (Piece(axis, shape[axis]),) if shape[axis] > 1 else ()


def _shuffle(dims: Sequence[Dim]) -> list[Step] | None:
    outer, inner = dims[0]
    if dims[0] != (Piece(0, outer.size, 1), Piece(0, inner.size, outer.size)):
        return None
    return [Step(ops.ChannelShuffle(inner.size), "shuffle")]


def _depth_to_space(shape: Shape, dims: Sequence[Dim]) -> list[Step] | None:
    """Channels as (C, f, f), torch's order, or as (f, f, C), TensorFlow's."""
    channels, height, width = shape
    f = dims[1][1].size
    rest = channels // (f * f)
    if dims[1][0] != Piece(1, height) or dims[2][0] != Piece(2, width):
        return None
    parts = (dims[0][0], dims[1][1], dims[2][1])
    step = Step(ops.PixelShuffle(f), "pixel_shuffle")
    if parts == (Piece(0, rest, f * f), Piece(0, f, f), Piece(0, f, 1)):
        return [step]
    if parts == (Piece(0, rest, 1), Piece(0, f, f * rest), Piece(0, f, rest)):
        return [Step(ops.ChannelShuffle(f * f), "shuffle"), step]
    return None


def _space_to_depth(shape: Shape, dims: Sequence[Dim]) -> list[Step] | None:
    """The reverse, with the new channels as (C, f, f), or as (f, f, C)."""
    channels, height, width = shape
    f = next((piece.size for piece in dims[0] if piece.axis == 2), 1)
    if dims[1:] != ((Piece(1, height // f, f),), (Piece(2, width // f, f),)):
        return None
    rows, columns, own = Piece(1, f, 1), Piece(2, f, 1), Piece(0, channels)
    step = Step(ops.PixelUnshuffle(f), "pixel_unshuffle")
    if dims[0] == (own, rows, columns):
        return [step]
    return [step, Step(ops.ChannelShuffle(channels), "shuffle")] if dims[0] == (rows, columns, own) else None


def _order_with_ones(shape: Shape, dims: Sequence[Dim]) -> list[int]:
    """Axes in the order of dims; those of size 1 where dims have size 1, what is left at the end."""
    ones = [axis for axis, side in enumerate(shape) if side == 1]
    order: list[int] = []
    for dim in dims:
        if dim:
            order += [piece.axis for piece in dim]
        elif ones:
            order.append(ones.pop(0))
    return order + ones
