"""The members of a space for images of one shape: each as a network, and many of them costed at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.cost.totals import Totals
from convsmith.design.candidates import PIECE, Candidates, with_counts
from convsmith.network.dims import Shape
from convsmith.network.network import Network
from convsmith.searching.spaces.space import Space, Value, with_values
from convsmith.searching.spaces.writing import check_choices, written
from convsmith.transform.depth import repeatable_stages
from convsmith.transform.width import scale_width
from convsmith.zoo import create

Rows = NDArray[np.int64]
"""(N, choices): the place of each member's value in every choice."""

FIGURES = Totals._fields

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz" * 32
"""For the place of each value, in a member's name."""


@dataclass(frozen=True, eq=False)
class Members:
    """The networks of a space that take `input` (C, H, W) and tell `classes` apart.

    Raises UsageError for a space that does not say what its kind needs.
    """

    space: Space
    input: Shape
    classes: int

    def __post_init__(self) -> None:
        if self.space.kind == "zoo":
            check_zoo(self)
        else:
            check_choices(self.space)

    @property
    def counts(self) -> NDArray[np.int64]:
        """(choices,): how many values each has."""
        return np.array([len(choice.values) for choice in self.space.choices])

    def network(self, row: Sequence[int] | Rows) -> Network:
        """One member. Raises ShapeError where the input is too small."""
        values = with_values(self.space, row)
        if self.space.kind == "zoo":
            return _of_zoo(self, values)
        net, _ = written(self.space, self.input, self.classes, values)
        return replace(net, name=f"{self.space.name}_{''.join(DIGITS[int(place)] for place in row)}")

    def totals(self, rows: Rows) -> Totals:
        """Parameters, multiply-adds and the like of each row, int64 (N,): what `cost_of(network(row))` has, exactly."""
        found = np.zeros((len(FIGURES), len(rows)), np.int64)
        for group in self._groups(rows):
            for start in range(0, len(group), PIECE):
                piece = group[start : start + PIECE]
                found[:, piece] = _figures(self, rows[piece])
        return Totals(*found)

    def _groups(self, rows: Rows) -> list[NDArray[np.int64]]:
        """Numbers of the rows that can be costed together: those with the same words."""
        apart = [
            place for place, choice in enumerate(self.space.choices) if self._is_apart(choice.name, choice.ordered)
        ]
        if not apart or not len(rows):
            return [np.arange(len(rows))]
        keys = np.unique(rows[:, apart], axis=0, return_inverse=True)[1].reshape(-1)
        return [np.flatnonzero(keys == key) for key in range(int(keys.max()) + 1)]

    def _is_apart(self, name: str, ordered: bool) -> bool:
        return not ordered or (self.space.kind == "zoo" and not _is_scaling(name))


def _figures(members: Members, rows: Rows) -> NDArray[np.int64]:
    """(figures, N) of rows with the same words."""
    space = members.space
    values: dict[str, Any] = {}
    for place, choice in enumerate(space.choices):
        values[choice.name] = (
            np.array(choice.values)[rows[:, place]] if choice.ordered else choice.values[int(rows[0, place])]
        )
    if space.kind == "zoo":
        return np.stack(_zoo_candidates(members, rows, values).totals)
    from convsmith.cost.totals import totals_of

    net, times = written(space, members.input, members.classes, values)
    return np.stack([np.broadcast_to(figure, len(rows)) for figure in totals_of(net, times)])


def check_zoo(members: Members) -> None:
    """Raises UsageError for a choice that is neither the width, nor a stage's blocks, nor a hyperparameter."""
    low = np.zeros(len(members.space.choices), np.int64)
    members.network(low)


def _is_scaling(name: str) -> bool:
    return name == "width" or name.removeprefix("blocks").isdecimal()


def _base(members: Members, values: dict[str, Any]) -> Network:
    """The zoo's network with its family's own hyperparameters."""
    own = {name: value for name, value in values.items() if not _is_scaling(name)}
    return create(members.space.network, classes=members.classes, input=members.input, **own)


def _blocks(net: Network, values: Any) -> list[Any]:
    """How many blocks each stage has."""
    lengths = [len(stage) for stage in repeatable_stages(net)]
    return [values.get(f"blocks{stage}", length) for stage, length in enumerate(lengths, 1)]


def _of_zoo(members: Members, values: Any) -> Network:
    from convsmith.errors import UsageError

    net = _base(members, dict(values))
    stages = len(repeatable_stages(net))
    for name in values:
        if name != "width" and _is_scaling(name) and not 1 <= int(name[6:]) <= stages:
            raise UsageError(
                f"{net.name} has {stages} stages whose blocks can be counted, not {name}", settings="space"
            )
    return scale_width(with_counts(net, _blocks(net, values)), float(values.get("width", 1.0)))


def _zoo_candidates(members: Members, rows: Rows, values: dict[str, Any]) -> Candidates:
    scalars = {name: _first(value) for name, value in values.items() if not _is_scaling(name)}
    net, count = _base(members, scalars), len(rows)
    blocks = np.zeros((count, len(repeatable_stages(net))), np.int64)
    for stage, number in enumerate(_blocks(net, values)):
        blocks[:, stage] = number
    widths = np.broadcast_to(np.asarray(values.get("width", 1.0), float), count)
    return Candidates(net, widths, blocks, np.full(count, members.input[1]))


def _first(value: Any) -> Value:
    """The one value of a hyperparameter that all rows have, as Python's own number."""
    return value[0].item() if hasattr(value, "item") else value  # type: ignore[no-any-return]
