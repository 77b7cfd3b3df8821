"""How a tensor of other people's code lies over a value of ours, so that moves of axes cost no layers.

A value is stored (C, H, W). Code sees it permuted, reshaped, flattened, expanded: all that is a list of dims, each made
of `Piece`s of the value's axes. `x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)` only takes the axis C
apart and puts it together the other way round; and whatever is permuted there and back is as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from convsmith.network.dims import Shape

BATCH = -1
"""The axis of images, which values of ours do not have."""
REPEAT = -2
"""No axis at all: the same numbers again (`expand`)."""


class Piece(NamedTuple):
    """`size` steps along an axis of the value, each of `step` positions. Never of size 1."""

    axis: int
    size: int
    step: int = 1

    def split(self, outer: int) -> tuple[Piece, Piece]:
        """An outer piece of this size, and the rest within."""
        rest = self.size // outer
        return Piece(self.axis, outer, self.step * rest), Piece(self.axis, rest, self.step)


Dim = tuple[Piece, ...]
"""Pieces from the outermost in; none for a dim of size 1."""


@dataclass(frozen=True, slots=True)
class Axes:
    """The dims of a tensor, the batch's included, as pieces of a value's axes."""

    dims: tuple[Dim, ...]

    @classmethod
    def of(cls, shape: Shape, batch: int) -> Axes:
        """(N, *shape): the value as it is."""
        return cls((_dim(BATCH, batch), *(_dim(axis, size) for axis, size in enumerate(shape))))

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(_size(dim) for dim in self.dims)

    def permuted(self, order: Sequence[int]) -> Axes:
        return Axes(tuple(self.dims[i] for i in order))

    def reshaped(self, sizes: Sequence[int]) -> Axes | None:
        """The same elements in these sizes; None where an axis would have to be cut unevenly (6x4 as 8x3)."""
        pieces = [piece for dim in self.dims for piece in dim][::-1]
        if prod(sizes) != prod(piece.size for piece in pieces):
            return None
        dims = []
        for size in sizes:
            dim: list[Piece] = []
            while size > 1:
                piece = pieces.pop()
                if size % piece.size == 0:
                    dim.append(piece)
                    size //= piece.size
                elif piece.size % size == 0:
                    outer, rest = piece.split(size)
                    dim.append(outer)
                    pieces.append(rest)
                    size = 1
                else:
                    return None
            dims.append(_merged(dim))
        return Axes(tuple(dims))

    def expanded(self, sizes: Sequence[int]) -> Axes:
        """Dims of size 1 repeated, new ones in front, as `Tensor.expand` has it; sizes are final, without -1."""
        dims = ((),) * (len(sizes) - len(self.dims)) + self.dims
        return Axes(tuple(dim or _dim(REPEAT, size) for dim, size in zip(dims, sizes, strict=True)))

    def unrepeated(self) -> Axes:
        """Whole dims that only repeat as dims of size 1: what broadcasting makes of them is the same."""
        return Axes(tuple(() if {piece.axis for piece in dim} == {REPEAT} else dim for dim in self.dims))

    def is_(self, shape: Shape) -> bool:
        """Whether this is the value of this shape as it is: (N, *shape)."""
        return len(self.dims) == len(shape) + 1 and self == Axes.of(shape, _size(self.dims[0]))

    def axis_of(self, dim: int, shape: Shape) -> int | None:
        """The whole axis of the value that this dim is, None if it is none; a dim of size 1 finds an axis of size 1."""
        pieces = self.dims[dim]
        if not pieces:
            return next((axis for axis, size in enumerate(shape) if size == 1), None)
        axis = pieces[0].axis
        return axis if axis >= 0 and pieces == _dim(axis, shape[axis]) else None

    def has_images_first(self) -> bool:
        """Whether the first dim is the batch and no other has part of it."""
        others = {piece.axis for dim in self.dims[1:] for piece in dim}
        return bool(self.dims) and BATCH not in others and {piece.axis for piece in self.dims[0]} == {BATCH}


def aligned(tensor: Axes, other: Axes, base: Shape, batch: int) -> Axes | None:
    """`tensor` with its dims in the order and grouping of the value (N, *base) that `other` lies over.

    Both have the same sizes, but that `tensor` may have 1 where `other` has more. None where their pieces do not match.
    """
    parts: dict[int, list[tuple[int, Dim]]] = {}
    for dim, like in zip(tensor.dims, other.dims, strict=True):
        pairs = _paired(dim, like) if dim else [((), piece) for piece in like]
        if pairs is None:
            return None
        for mine, piece in pairs:
            if piece.axis == REPEAT:
                return None
            parts.setdefault(piece.axis, []).append((piece.step, mine or (Piece(REPEAT, piece.size),)))
    sizes = {BATCH: batch, **dict(enumerate(base))}
    dims = []
    for axis in sizes:
        # From the outermost piece in: the order in which the axis was taken apart.
        pieces = [part for _, dim in sorted(parts.get(axis, []), key=lambda part: -part[0]) for part in dim]
        dims.append(_merged(pieces))
    return Axes(tuple(dims)).unrepeated()


def _paired(dim: Dim, like: Dim) -> list[tuple[Dim, Piece]] | None:
    """Both cut until their pieces have the same sizes."""
    mine, theirs = list(dim[::-1]), list(like[::-1])
    pairs: list[tuple[Dim, Piece]] = []
    while mine and theirs:
        a, b = mine.pop(), theirs.pop()
        if a.size > b.size:
            if a.size % b.size:
                return None
            a, rest = a.split(b.size)
            mine.append(rest)
        elif b.size > a.size:
            if b.size % a.size:
                return None
            b, rest = b.split(a.size)
            theirs.append(rest)
        pairs.append(((a,), b))
    return pairs


def _dim(axis: int, size: int) -> Dim:
    return (Piece(axis, size),) if size > 1 else ()


def _size(dim: Dim) -> int:
    return prod(piece.size for piece in dim)


def _merged(pieces: Sequence[Piece]) -> Dim:
    """Neighbours that were one piece are one again."""
    return tuple(_merge(iter(pieces)))


def _merge(pieces: Iterator[Piece]) -> Iterator[Piece]:
    last: Piece | None = None
    for piece in pieces:
        if last is not None and last.axis == piece.axis != REPEAT and last.step == piece.size * piece.step:
            last = Piece(piece.axis, last.size * piece.size, piece.step)
            continue
        if last is not None:
            yield last
        last = piece
    if last is not None:
        yield last
