"""Many networks made from one, at other widths, depths and resolutions, costed exactly with arrays and without being
built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.cost.totals import Totals, totals_of
from convsmith.errors import ShapeError, UsageError
from convsmith.network.dims import equal
from convsmith.network.network import Network
from convsmith.transform.depth import ROUNDING_SLACK, repeatable_stages, with_blocks
from convsmith.transform.side import with_side
from convsmith.transform.width import scale_width

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

PIECE = 8192
"""Candidates costed at a time: as many as keep the arrays of a layer in the processor's cache."""

FIGURES = Totals._fields


@dataclass(frozen=True, eq=False)
class Candidates:
    """Networks made from `network`: entry i has `widths[i]` times the channels, `sides[i]` pixels of height and
    `blocks[i, s]` blocks in stage s of `repeatable_stages(network)`, an opening one included.

    `widths` is float64 (N,), `blocks` int64 (N, stages), `sides` int64 (N,); the width of an image keeps its proportion
    to the height. Blocks come first, then channels (`transform.scale_width`), then the input.

    Raises UsageError for arrays that do not fit one another or are out of range.
    """

    network: Network
    widths: Floats
    blocks: Ints
    sides: Ints

    def __post_init__(self) -> None:
        stages, count = len(repeatable_stages(self.network)), len(self.widths)
        if self.blocks.shape != (count, stages) or self.sides.shape != (count,) or self.widths.shape != (count,):
            raise UsageError(
                f"candidates of {self.network.name} need widths (N,), blocks (N, {stages}) and sides (N,), not "
                f"{self.widths.shape}, {self.blocks.shape} and {self.sides.shape}"
            )
        if count and not (self.widths.min() > 0 and self.blocks.min(initial=1) >= 1 and self.sides.min() >= 1):
            raise UsageError(f"candidates of {self.network.name}: widths, blocks and sides must be positive")

    @classmethod
    def by_factors(cls, network: Network, widths: Floats, depths: Floats, sides: Ints) -> Candidates:
        """Those with `depths[i]` times the blocks in every stage, rounded up as `transform.scale_depth` does."""
        lengths = np.array([len(stage) for stage in repeatable_stages(network)], np.int64)
        blocks = np.maximum(1, np.ceil(np.multiply.outer(depths, lengths) - ROUNDING_SLACK)).astype(np.int64)
        return cls(network, widths, blocks, sides)

    def __len__(self) -> int:
        return len(self.widths)

    def at(self, index: int) -> Network:
        """Candidate number `index` as a network. Raises UsageError, ShapeError where its layers do not fit."""
        net = with_counts(self.network, self.blocks[index].tolist())
        return with_side(scale_width(net, float(self.widths[index])), int(self.sides[index]))

    def some(self, rows: NDArray[Any]) -> Candidates:
        """Those at `rows`: numbers, a mask or a slice."""
        return Candidates(self.network, self.widths[rows], self.blocks[rows], self.sides[rows])

    @cached_property
    def totals(self) -> Totals:
        """Parameters, multiply-adds and the like as int64 (N,): what `cost_of(self.at(i))` has, exactly.

        Raises UsageError, ShapeError where the layers of a candidate do not fit.
        """
        found = np.zeros((len(FIGURES), len(self)), np.int64)
        for start in range(0, len(self), PIECE):
            piece = slice(start, start + PIECE)
            found[:, piece] = _totals(self.some(piece))  # type: ignore[arg-type]
        return Totals(*found)


def with_counts(net: Network, counts: Iterable[int]) -> Network:
    """The network with so many blocks in each of its `repeatable_stages`, opening ones included. Raises UsageError."""
    # From the last: a stage begins where the one before ends, which changes.
    for stage, count in reversed(list(zip(repeatable_stages(net), counts, strict=True))):
        net = with_blocks(net, stage, count)
    return net


def _totals(candidates: Candidates) -> NDArray[np.int64]:
    """(figures, N): in one pass where the candidates are one network but for sizes and repetitions, else apart."""
    if len(candidates) == 1:
        return np.array(totals_of(candidates.at(0)), np.int64)[:, None]
    uneven = _uneven(candidates.network)
    if (groups := _alike(candidates.blocks[:, uneven])) is not None:
        return _apart(candidates, groups)
    try:
        return _in_one_pass(candidates, uneven)
    except (UsageError, ShapeError, TypeError, ValueError):
        # A rule is for ints, or shapes are equal for some candidates only; a shape that fits none is said of one.
        return _apart(candidates, _groups(candidates))


def _apart(candidates: Candidates, groups: Ints) -> NDArray[np.int64]:
    found = np.zeros((len(FIGURES), len(candidates)), np.int64)
    for group in range(int(groups.max()) + 1):
        rows = groups == group
        found[:, rows] = _totals(candidates.some(rows))
    return found


def _alike(keys: NDArray[Any]) -> Ints | None:
    """The group of each candidate, of those with equal keys; None if all are alike."""
    if not keys.size:
        return None
    groups: Ints = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
    return groups if groups.max() else None


def _groups(candidates: Candidates) -> Ints:
    """Groups by width; of one width by side, then by blocks, and each alone where all are alike."""
    for key in (candidates.widths, candidates.sides, candidates.blocks):
        if (groups := _alike(key)) is not None:
            return groups
    return np.arange(len(candidates))


def _uneven(net: Network) -> NDArray[np.bool_]:
    """Which stages have blocks that do not cost the same as one another: DenseNet's, and where weights are shared."""
    shared = any(node.shares for node in net)
    found = [shared or net.shapes[stage.entry] != net.shapes[stage.output] for stage in repeatable_stages(net)]
    return np.array(found, np.bool_)


def _in_one_pass(candidates: Candidates, uneven: NDArray[np.bool_]) -> NDArray[np.int64]:
    template = _template(candidates.network, candidates.blocks[0], uneven)
    stages = repeatable_stages(template)
    times: dict[str, Any] = {}
    for place, stage in enumerate(stages):
        if not uneven[place]:
            # Blocks of a stage cost the same: fewer than the template has are a negative number of the last.
            further = _one(candidates.blocks[:, place]) - (len(stage) - 1)
            times |= dict.fromkeys(stage.blocks[-1], further)
    made = with_side(scale_width(template, _one(candidates.widths)), _one(candidates.sides))
    for place, stage in enumerate(stages):
        if not uneven[place] and not equal(made.shapes[stage.entry], made.shapes[stage.output]):
            raise UsageError(f"{stage.output}: a block that keeps its shape does not at every width")
    found = np.zeros((len(FIGURES), len(candidates)), np.int64)
    for row, figure in zip(found, totals_of(made, times), strict=True):
        row[:] = figure
    return found


def _template(net: Network, blocks: Ints, uneven: NDArray[np.bool_]) -> Network:
    """The network with as few layers as the cost of any number of blocks follows from."""
    stages = list(zip(repeatable_stages(net), blocks.tolist(), uneven, strict=True))
    try:
        return with_counts(net, [count if apart else stage.opened + 1 for stage, count, apart in stages])
    except UsageError:  # an auxiliary head, say, reads a later block
        return with_counts(
            net, [count if apart else max(len(stage), stage.opened + 1) for stage, count, apart in stages]
        )


def _one(values: NDArray[Any]) -> Any:
    """The number that all are, or the array."""
    return values[0].item() if (values == values[0]).all() else values
