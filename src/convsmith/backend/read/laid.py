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

from convsmith.backend.read.arrange import Step, arrangement, enlargement, named, repetition, reshape_to
from convsmith.backend.read.axes import BATCH, REPEAT, Axes, Piece, aligned
from convsmith.backend.read.draft import Draft, Value
from convsmith.errors import ReadError
from convsmith.network import ops


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
    def once(self) -> Known:
        """Without the repetition of `expand`: such dims have size 1."""
        t = self.tensor
        for dim in range(t.ndim):
            if t.stride(dim) == 0 and t.shape[dim] > 1:
                t = t.narrow(dim, 0, 1)
        return self.like(t)

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

    def settle_if_named(self, laid: Laid, spot: Spot) -> Laid:
        """As it is, or settled here where one layer of ours is just this arrangement (a shuffle)."""
        if len(laid.sizes) == 4 and laid.axes.has_images_first() and named(laid.value.shape, laid.axes):
            return self.settled(laid, spot)
        return laid

    def settled(self, laid: Laid, spot: Spot) -> Laid:
        return self.lay(self.settle(laid, spot))

    def split(self, laid: Laid, spot: Spot) -> Laid:
        """The same tensor over a value that has an axis for each of its pieces, in the value's own order.

        Unchanged where a dim is made of several pieces, which this would not bring together.
        """
        dims = laid.axes.dims
        pieces = sorted({p for dim in dims for p in dim if p.axis >= 0}, key=lambda piece: (piece.axis, -piece.step))
        whole = prod(piece.size for piece in pieces) == prod(laid.value.shape)
        if not whole or any(len(dim) > 1 for dim in dims) or len(pieces) < 2:
            return laid
        batch = Axes.of((), self.batch).dims
        value = self.settle(Laid(laid.value, Axes((*batch, *((piece,) for piece in pieces)))), spot)
        moved = {piece: Piece(axis, piece.size) for axis, piece in enumerate(pieces)}
        return Laid(value, Axes(tuple(tuple(moved.get(piece, piece) for piece in dim) for dim in dims)))

    def with_axis(self, laid: Laid, dim: int, spot: Spot) -> tuple[Laid, int]:
        """The same tensor over a value of which `dim` is one whole axis, and that axis.

        If it is not so already, the value becomes (everything else, this dim).
        """
        axis = laid.axes.axis_of(dim, laid.value.shape)
        if axis is not None:
            return laid, axis
        laid = self.split(laid, spot)
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
        """A constant in the axes of the value that a tensor lies over, sizes 1 or the value's; None if it is larger."""
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
        enlarged = enlargement(laid.value.shape, laid.axes) or repetition(laid.value.shape, laid.axes)
        if enlarged is not None:
            return self._apply(laid.value, [enlarged], spot)
        batch, *dims = laid.axes.dims
        parts: list[tuple[Piece, ...]] = [(piece,) for dim in dims for piece in dim]
        if all(len(dim) <= 1 for dim in dims):
            parts = dims
        once = Axes((batch, *(() if _repeats(part) else part for part in parts)))
        value = self.settle(Laid(laid.value, once), spot)
        size = tuple(part[0].size if part else 1 for part in parts)
        expand = Step(ops.Expand(size), "expand")
        return self._apply(value, [expand, *reshape_to(size, laid.sizes[1:])], spot)

    def _rearranged(self, laid: Laid, spot: Spot) -> Value:
        steps = arrangement(laid.value.shape, laid.axes)
        if steps is None:
            raise ReadError(
                f"a view {list(laid.sizes[1:])} of {list(laid.value.shape)} does not hold every element once",
                place=spot.place,
            )
        return self._apply(laid.value, steps, spot)

    def _apply(self, value: Value, steps: Sequence[Step], spot: Spot) -> Value:
        for step in steps:
            value = self.draft.add(step.op, value, name=spot.named(step.word), place=spot.place)
        return value


def resized(laid: Laid, value: Value, axis: int) -> Laid:
    """The same dims over a value whose `axis` has another size; the dim that is this axis has it too."""
    size = value.shape[axis]
    dims = list(laid.axes.dims)
    at = [i for i, dim in enumerate(dims) if any(piece.axis == axis for piece in dim)]
    if not at:  # it was 1
        at = [len(dims) - 1]
    dims[at[0]] = (Piece(axis, size),) if size > 1 else ()
    return Laid(value, Axes(tuple(dims)))


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
