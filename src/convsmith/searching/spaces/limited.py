"""The members of a space that keep to limits: drawn, and found near others, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.cost import Cost, cost_of
from convsmith.design.limits import METADATA_BYTES, Limits, costed, keeps, unmet
from convsmith.errors import LimitError, ShapeError
from convsmith.network.dims import text
from convsmith.network.network import Network
from convsmith.searching.spaces.members import Members, Rows

DRAWN = 2048
"""Members at a time among which those are looked for that are within limits."""

ORDERS = 32
"""Ways in which one member's choices are made smaller; the one with the fewest changes is taken."""

TIGHTER, TIGHTEST = 0.93, 0.3
"""What is left of a network's multiply-adds and parameters, at most and at least, where it exceeds a limit that arrays
cannot tell."""

ATTEMPTS = 40

LatencyOf = Callable[[Network], float]
"""Milliseconds for one image."""

Places = tuple[int, ...]
"""The place of a member's value in each choice."""


@dataclass(frozen=True)
class Candidate:
    """A member that keeps to all limits, by the places of its choices; `latency` in ms where it was asked for."""

    places: Places
    cost: Cost
    latency: float | None = None

    @property
    def network(self) -> Network:
        return self.cost.network


@dataclass(frozen=True, eq=False)
class Limited:
    """The members of a space within `limits`. `timed` says whether latency is asked for, limited or not.

    Parameters and multiply-adds of many are told at once; the bytes of a file, which depend on names, and ms for each.
    """

    members: Members
    limits: Limits
    latency_of: LatencyOf
    timed: bool = False
    _known: dict[Places, Candidate | None] = field(default_factory=dict)
    _latencies: dict[Places, float] = field(default_factory=dict)

    def check(self) -> None:
        """Raises LimitError naming a limit that no member meets, and what the smallest takes; or all of them, where
        none meets them together."""
        for limit in self.limits.set:
            bound, smallest = getattr(self.limits, limit), self._least(limit)
            if smallest > bound:
                said = f"{smallest:.3g}" if limit == "max_latency" else f"{int(smallest):,}"
                what = f"{self.members.space.name} network for an input of {text(self.members.input)}"
                raise LimitError(unmet(limit, bound, said, what), settings=limit)
        self.drawn(1, np.random.default_rng(0))

    def drawn(self, count: int, random: np.random.Generator) -> Rows:
        """Members at random, (count, choices): where one exceeds a limit, choices drawn at random are made smaller
        until none does. Raises LimitError where that leads to none."""
        found: list[Places] = []
        for _ in range(ATTEMPTS):
            rows = random.integers(0, self.members.counts, (max(8, min(DRAWN, 2 * count)), len(self.members.counts)))
            for row in self._shrunk(rows, random, self._bounds)[0]:
                if (candidate := self._fitted(row, random)) is not None:
                    found.append(candidate.places)
                if len(found) == count:
                    return np.array(found, np.int64)
        raise LimitError(f"no {self.members.space.name} network meets all of them together", settings=self.limits.set)

    def nearest(self, row: Sequence[int] | Rows, random: np.random.Generator) -> Candidate:
        """The member itself if it keeps to the limits, else one that is like it but for choices made smaller."""
        found = self._fitted(np.asarray(row, np.int64), random)
        return found if found is not None else self.at(tuple(self.drawn(1, random)[0].tolist()))

    def at(self, places: Places) -> Candidate:
        """The member at places that keep to the limits. Raises LimitError for others."""
        found = self._candidate(places)
        if found is None:
            name = self.members.network(places).name
            raise LimitError(f"{name} does not keep to the limits", settings=self.limits.set)
        return found

    @property
    def _bounds(self) -> dict[str, float]:
        """What arrays can tell, and the most of each."""
        limits = self.limits
        bounds = {"params": limits.max_params, "macs": limits.max_macs}
        if limits.max_size is not None:
            bounds["stored_bytes"] = limits.max_size - METADATA_BYTES
        return {name: float(bound) for name, bound in bounds.items() if bound is not None}

    def _candidate(self, places: Places) -> Candidate | None:
        """None where a limit is exceeded."""
        if places not in self._known:
            self._known[places] = self._costed(places)
        return self._known[places]

    def _costed(self, places: Places) -> Candidate | None:
        try:
            cost = cost_of(self.members.network(places))
        except ShapeError:
            return None
        if not keeps(self.limits, cost):
            return None
        if self.limits.max_latency is None and not self.timed:
            return Candidate(places, cost)
        latency = self._latencies[places] = self.latency_of(cost.network)
        slow = self.limits.max_latency is not None and latency > self.limits.max_latency
        return None if slow else Candidate(places, cost, latency)

    def _fitted(self, row: NDArray[np.int64], random: np.random.Generator) -> Candidate | None:
        """The nearest by choices made smaller; None where even the smallest of them exceeds a limit."""
        if (found := self._candidate(tuple(row.tolist()))) is not None:
            return found
        bounds = dict(self._bounds)
        for _ in range(ATTEMPTS):
            rows, steps = self._shrunk(np.tile(row, (ORDERS, 1)), random, bounds)
            if not len(rows):
                return None
            row = rows[int(np.argmin(steps))]
            if (found := self._candidate(tuple(row.tolist()))) is not None:
                return found
            totals, left = self.members.totals(row[None]), self._share_left(tuple(row.tolist()))
            bounds = {name: left * float(getattr(totals, name)[0]) for name in ("params", "macs")}
        return None

    def _share_left(self, places: Places) -> float:
        """How much of a network that exceeds a limit may stay: latency goes about by multiply-adds."""
        latency, most = self._latencies.get(places), self.limits.max_latency
        return TIGHTER if latency is None or most is None else min(TIGHTER, max(TIGHTEST, most / latency))

    def _shrunk(
        self, rows: Rows, random: np.random.Generator, bounds: dict[str, float]
    ) -> tuple[Rows, NDArray[np.int64]]:
        """Rows that come within the bounds by smaller values of choices drawn at random, and by how many steps."""
        rows, steps = rows.copy(), np.zeros(len(rows), np.int64)
        shrinks = np.array([choice.ordered for choice in self.members.space.choices])
        left = np.arange(len(rows))
        for _ in range(int(self.members.counts.sum())):
            left = left[self._over(rows[left], bounds)]
            smaller = (rows[left] > 0) & shrinks
            left, smaller = left[smaller.any(axis=1)], smaller[smaller.any(axis=1)]
            if not len(left):
                break
            chosen = np.argmax(random.random(smaller.shape) * smaller, axis=1)
            rows[left, chosen] -= 1
            steps[left] += 1
        kept = ~self._over(rows, bounds)
        return rows[kept], steps[kept]

    def _over(self, rows: Rows, bounds: dict[str, float]) -> NDArray[np.bool_]:
        over = np.zeros(len(rows), np.bool_)
        if bounds and len(rows):
            totals = self.members.totals(rows)
            for name, bound in bounds.items():
                over |= getattr(totals, name) > bound
        return over

    def _least(self, limit: str) -> float:
        """The least that a member takes of what is limited: from the smallest of many, one choice after another is
        changed as long as that makes it less. Exact where each choice alone makes more or less of it."""
        array = {"max_params": "params", "max_size": "stored_bytes"}.get(limit, "macs")
        counts = self.members.counts
        rows = np.random.default_rng(0).integers(0, counts, (256, len(counts)))
        rows[0] = 0
        row = rows[int(np.argmin(getattr(self.members.totals(rows), array)))]
        while True:
            around = np.concatenate([row[None], _neighbours(row, counts)])
            best = around[int(np.argmin(getattr(self.members.totals(around), array)))]
            if (best == row).all():
                break
            row = best
        cost = cost_of(self.members.network(row))
        if limit == "max_latency":
            return float(self.latency_of(cost.network))
        return float(costed(self._only(limit))[limit](cost))

    @staticmethod
    def _only(limit: str) -> Limits:
        return Limits(**{limit: 1})


def _neighbours(row: Any, counts: NDArray[np.int64]) -> Rows:
    """Every member that differs in one choice."""
    found = []
    for place, count in enumerate(counts.tolist()):
        for value in range(count):
            if value != row[place]:
                other = row.copy()
                other[place] = value
                found.append(other)
    return np.array(found, np.int64).reshape(-1, len(counts))
