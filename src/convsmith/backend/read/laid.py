"""The tensors that a reader follows: values of the network as the code sees them, and constants.

A `Laid` tensor costs nothing to permute or reshape; the layers that this takes are added when an op needs the value in
one piece (`Layouts.settle`), or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

from convsmith.backend.read.axes import BATCH, REPEAT, Axes, Piece, aligned
from convsmith.backend.read.draft import Draft, Value
from convsmith.errors import ReadError
from convsmith.network import ops
from convsmith.network.dims import Shape


@dataclass(frozen=True, slots=True)
class Laid:
    """A value under construction and the dims, the batch's included, in which the code sees it."""

    value: Value
    axes: Axes

    @property
    def sizes(self) -> tuple[int, ...]:
        return self.axes.sizes


@dataclass(frozen=True, eq=False, slots=True)
class Known:
    """A tensor that does not depend on the image, and the names of the parameters that it was computed from.

    `name` is set where it is one parameter or buffer, at most reshaped, and `trainable` where it is a parameter.
    """

    tensor: Tensor
    sources: frozenset[str] = frozenset()
    name: str | None = None
    trainable: bool = False

    def like(self, tensor: Tensor) -> Known:
        """The same numbers in another shape."""
        return replace(self, tensor=tensor)

    @property
    def number(self) -> float | None:
        """The one number that this is everywhere, if it is no parameter."""
        t = self.tensor
        if self.trainable or not t.numel() or (t.numel() > 1 and (self.sources or (t != t.flatten()[0]).any())):
            return None
        return float(t.flatten()[0])


@dataclass(frozen=True, slots=True)
class Spot:
    """What a layer that the reader must add is called, and where the user's code needs it."""

    draft: Draft
    scope: str
    place: str

    def named(self, word: str) -> str:
        return self.draft.word(self.scope, word)


class Layouts:
    """Values as the code sees them: each arrangement of a value is computed once."""

    def __init__(self, draft: Draft, batch: int) -> None:
        self.draft = draft
        self.batch = batch
        self._settled: dict[tuple[str, Axes], Value] = {}

    def lay(self, value: Value) -> Laid:
        """The value as it is: (N, *shape)."""
        return Laid(value, Axes.of(value.shape, self.batch))

    def settle(self, laid: Laid, spot: Spot) -> Value:
        """The value in the shape that the code sees, with the layers that this takes.

        Raises ReadError where images are not the first dim alone.
        """
        if not laid.axes.has_images_first():
            raise ReadError(
                f"a tensor {list(laid.sizes)} mixes images with other axes",
                place=spot.place,
                advice=f"keep the batch (here {self.batch}) as the first axis by itself",
            )
        if laid.axes.is_(laid.value.shape):
            return laid.value
        key = (laid.value.name, laid.axes)
        if key not in self._settled:
            repeated = any(piece.axis == REPEAT for dim in laid.axes.dims for piece in dim)
            self._settled[key] = self._repeated(laid, spot) if repeated else self._rearranged(laid, spot)
        return self._settled[key]

    def settled(self, laid: Laid, spot: Spot) -> Laid:
        return self.lay(self.settle(laid, spot))

    def with_axis(self, laid: Laid, dim: int, spot: Spot) -> tuple[Laid, int]:
        """The same tensor over a value of which `dim` is one whole axis, and that axis.

        If it is not so already, the value becomes (everything else, this dim).
        """
        axis = laid.axes.axis_of(dim, laid.value.shape)
        if axis is not None:
            return laid, axis
        if laid.axes.has_images_first():
            return self.settled(laid, spot), dim - 1
        others = [piece for i, d in enumerate(laid.axes.dims) if i != dim for piece in d]
        batch = tuple(piece for piece in others if piece.axis == BATCH)
        rest = tuple(piece for piece in others if piece.axis != BATCH)
        value = self.settle(Laid(laid.value, Axes((batch, rest, laid.axes.dims[dim]))), spot)
        step, dims = value.shape[0], []
        for i, pieces in enumerate(laid.axes.dims):
            if i == dim:
                dims.append(Axes.of(value.shape, self.batch).dims[2])
                continue
            moved = []
            for piece in pieces:
                if piece.axis == BATCH:
                    moved.append(piece)
                else:
                    step //= piece.size
                    moved.append(Piece(0, piece.size, step))
            dims.append(tuple(moved))
        return Laid(value, Axes(tuple(dims))), 1

    def together(self, first: Laid, second: Laid, spot: Spot) -> tuple[Value, Value, Axes]:
        """Both as values of as many axes, of which sizes of 1 are to be repeated, and how the result lies over them."""
        a, b = _of_rank(first, second)
        lead = b if prod(b.sizes) > prod(a.sizes) else a
        both = tuple(max(x, y) for x, y in zip(a.sizes, b.sizes, strict=True))
        if lead.sizes == both:
            other = a if lead is b else b
            over = aligned(other.axes, lead.axes, lead.value.shape, self.batch)
            if over is not None and over.has_images_first():
                value = self.settle(Laid(other.value, over), spot)
                return (value, lead.value, lead.axes) if lead is b else (lead.value, value, lead.axes)
        return self.settle(a, spot), self.settle(b, spot), Axes.of(both[1:], self.batch)

    def over(self, known: Tensor, laid: Laid, spot: Spot) -> Tensor | None:
        """A constant in the axes of the value that a tensor lies over, of sizes 1 or the value's; None if it is larger."""
        dims = laid.axes.dims
        if known.ndim > len(dims):
            return None
        known = known.reshape((1,) * (len(dims) - known.ndim) + tuple(known.shape))
        cut, pieces = [], []
        for size, dim in zip(known.shape, dims, strict=True):
            if size != 1 and size != prod(piece.size for piece in dim):
                return None
            cut += [piece.size if size != 1 else 1 for piece in dim]
            pieces += list(dim)
        if any(piece.axis == REPEAT and size > 1 for piece, size in zip(pieces, cut, strict=True)):
            return None
        order = sorted(range(len(pieces)), key=lambda i: (pieces[i].axis, -pieces[i].step))
        order = [i for i in order if pieces[i].axis != REPEAT]
        repeats = [i for i in range(len(pieces)) if pieces[i].axis == REPEAT]
        known = known.reshape(cut).permute([*repeats, *order]).reshape([cut[i] for i in order])
        axis = 0
        shape: list[int] = []
        for number, size in ((BATCH, self.batch), *enumerate(laid.value.shape)):
            mine = [i for i in order if pieces[i].axis == number]
            sizes = [cut[i] for i in mine]
            whole = prod(sizes)
            if whole not in (1, size):
                full = list(known.shape)
                full[axis : axis + len(mine)] = [pieces[i].size for i in mine]
                known, whole = known.expand(full), size
            axis += len(mine)
            shape.append(whole)
        known = known.reshape(shape)
        if not torch.equal(known[:1].expand_as(known), known):
            raise ReadError("a constant differs between the images of a batch", place=spot.place)
        return known[0]

    def _repeated(self, laid: Laid, spot: Spot) -> Value:
        """A value that is repeated along some dims (`expand`), which `reshape` may have joined to others."""
        batch, *dims = laid.axes.dims
        parts: list[tuple[Piece, ...]] = [(piece,) for dim in dims for piece in dim]
        if all(len(dim) <= 1 for dim in dims):
            parts = dims
        once = Axes((batch, *(() if _repeats(part) else part for part in parts)))
        value = self.settle(Laid(laid.value, once), spot)
        size = tuple(part[0].size if part else 1 for part in parts)
        value = self.draft.add(ops.Expand(size), value, name=spot.named("expand"), place=spot.place)
        return self._reshape(value, laid.sizes[1:], spot)

    def _rearranged(self, laid: Laid, spot: Spot) -> Value:
        shape, dims, size = laid.value.shape, laid.axes.dims[1:], laid.sizes[1:]
        known = _named(shape, dims, size)
        if known is not None:
            op, word = known
            return self.draft.add(op, laid.value, name=spot.named(word), place=spot.place)
        pieces = sorted({piece for dim in dims for piece in dim}, key=lambda piece: (piece.axis, -piece.step))
        order = [pieces.index(piece) for dim in dims for piece in dim]
        value = laid.value
        if sorted(order) != list(range(len(pieces))) or prod(size) != prod(shape):
            raise ReadError(f"a view {list(size)} of {list(shape)} does not hold every element once", place=spot.place)
        if order == sorted(order):
            return self._reshape(value, size, spot)
        # A side of 1 that stays is not worth a reshape of its own.
        if tuple(piece.size for piece in pieces) != shape:
            whole = _with_ones(shape, pieces)
            value = value if whole else self._reshape(value, tuple(piece.size for piece in pieces), spot)
            order = _order_with_ones(shape, dims) if whole else order
        value = self.draft.add(ops.Permute(tuple(order)), value, name=spot.named("permute"), place=spot.place)
        return self._reshape(value, size, spot)

    def _reshape(self, value: Value, size: Shape, spot: Spot) -> Value:
        if value.shape == size:
            return value
        if len(size) == 1:
            return self.draft.add(ops.Flatten(), value, name=spot.named("flatten"), place=spot.place)
        return self.draft.add(ops.Reshape(size), value, name=spot.named("reshape"), place=spot.place)


def _named(shape: Shape, dims: Sequence[tuple[Piece, ...]], size: Shape) -> tuple[ops.Op, str] | None:
    """The op that is made for this arrangement, and its word."""
    if len(shape) != 3:
        return None
    if len(dims) == 3 and size == shape and len(dims[0]) == 2 and _whole(dims[1:], shape, (1, 2)):
        outer, inner = dims[0]
        if outer == Piece(0, outer.size, 1) and inner == Piece(0, inner.size, outer.size):
            return ops.ChannelShuffle(inner.size), "shuffle"
    return _pixels(shape, dims)


def _pixels(shape: Shape, dims: Sequence[tuple[Piece, ...]]) -> tuple[ops.Op, str] | None:
    """Depth to space, or space to depth."""
    if len(dims) != 3 or [len(dim) for dim in dims] not in ([1, 2, 2], [3, 1, 1]):
        return None
    channels, height, width = shape
    last = dims[1][-1] if len(dims[1]) == 2 else dims[0][-1]
    f = last.size
    shuffle = (
        (Piece(0, channels // (f * f), f * f),),
        (Piece(1, height), Piece(0, f, f)),
        (Piece(2, width), Piece(0, f, 1)),
    )
    if tuple(dims) == shuffle:
        return ops.PixelShuffle(f), "pixel_shuffle"
    unshuffle = (
        (Piece(0, channels), Piece(1, f, 1), Piece(2, f, 1)),
        (Piece(1, height // f, f),),
        (Piece(2, width // f, f),),
    )
    return (ops.PixelUnshuffle(f), "pixel_unshuffle") if tuple(dims) == unshuffle else None


def _whole(dims: Sequence[tuple[Piece, ...]], shape: Shape, axes: Sequence[int]) -> bool:
    return all(
        dim == ((Piece(axis, shape[axis]),) if shape[axis] > 1 else ()) for dim, axis in zip(dims, axes, strict=True)
    )


def _with_ones(shape: Shape, pieces: Sequence[Piece]) -> bool:
    """Whether the pieces are the value's axes as they are, but for those of size 1."""
    return [piece.size for piece in pieces] == [side for side in shape if side > 1]


def _order_with_ones(shape: Shape, dims: Sequence[tuple[Piece, ...]]) -> list[int]:
    """Axes in the order of dims; those of size 1 where dims have size 1, what is left at the end."""
    ones = [axis for axis, side in enumerate(shape) if side == 1]
    order: list[int] = []
    for dim in dims:
        if dim:
            order += [piece.axis for piece in dim]
        elif ones:
            order.append(ones.pop(0))
    return order + ones


def _of_rank(first: Laid, second: Laid) -> tuple[Laid, Laid]:
    """Both with as many dims, and without repetition that broadcasting does anyway."""
    rank = max(len(first.sizes), len(second.sizes))
    a, b = ((((),) * (rank - len(laid.sizes)) + laid.axes.dims) for laid in (first, second))
    pairs = [
        ((), ()) if _repeats(x) and _repeats(y) else (() if _repeats(x) else x, () if _repeats(y) else y)
        for x, y in zip(a, b, strict=True)
    ]
    return (
        Laid(first.value, Axes(tuple(x for x, _ in pairs))),
        Laid(second.value, Axes(tuple(y for _, y in pairs))),
    )


def _repeats(dim: tuple[Piece, ...]) -> bool:
    return bool(dim) and all(piece.axis == REPEAT for piece in dim)
