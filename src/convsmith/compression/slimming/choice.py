"""Which units go: the least important first, until a budget is met, never below a floor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from math import ceil, gcd
from typing import NamedTuple

import numpy as np

from convsmith.compression.slimming.scores import Scores
from convsmith.transform.channels import KEPT, Channels, Slot

Removed = frozenset[int]


class Order(NamedTuple):
    """Units in the order in which they may go, and how many may."""

    units: tuple[int, ...]
    channels: Channels
    scores: Scores
    divisor: int

    def first(self, count: int) -> Removed:
        """The first so many, less those that must stay for widths to be divisible."""
        return _divisible(self.channels, frozenset(self.units[:count]), self.scores, self.divisor)


def order_of(channels: Channels, scores: Scores, floor: float, divisor: int) -> Order:
    """Every unit that may go, the lowest score first.

    A unit stays if it has no score, or if without it less than the share `floor` were left of an axis of some map, or
    nothing at all.
    """
    rows = [(Counter(row), len(row)) for row in channels.spans]
    left = [size for _, size in rows]
    least = [max(1, ceil(floor * size)) for size in left]
    places: dict[int, list[int]] = {}
    for place, (row, _) in enumerate(rows):
        for unit in row:
            places.setdefault(unit, []).append(place)
    units = []
    for unit in np.argsort(scores, kind="stable").tolist():
        if not np.isfinite(scores[unit]):
            break
        where = places.get(unit, [])
        if all(left[place] - rows[place][0][unit] >= least[place] for place in where):
            units.append(unit)
            for place in where:
                left[place] -= rows[place][0][unit]
    return Order(_in_chunks(channels, units, scores, divisor), channels, scores, divisor)


def _in_chunks(channels: Channels, units: Sequence[int], scores: Scores, divisor: int) -> tuple[int, ...]:
    """The units of each set in chunks by which its widths stay divisible, ranked by the chunks' mean scores.

    One by one, units of many layers would go before any layer has lost a whole chunk, and then many at once.
    """
    if divisor == 1:
        return tuple(units)
    width = dict.fromkeys(range(channels.units), 1)
    for slot in channels.slots:
        if _is_width(slot):
            width |= {unit: count for unit, count in Counter(slot.units).items() if unit != KEPT}
    places = {unit: place for place, members in enumerate(channels.sets) for unit in members}
    by_set: dict[int, list[int]] = {}
    for unit in units:
        by_set.setdefault(places[unit], []).append(unit)
    chunks = []
    for members in by_set.values():
        size = divisor // gcd(divisor, width[members[0]])
        chunks += [members[first : first + size] for first in range(0, len(members), size)]
    chunks.sort(key=lambda chunk: float(scores[chunk].mean()))
    return tuple(unit for chunk in chunks for unit in chunk)


def ranked_within_sets(channels: Channels, scores: Scores) -> Scores:
    """Scores as ranks from 0 to 1 within each set of units that layers share: every layer loses the same share."""
    ranks = np.full(len(scores), np.inf)
    for members in channels.sets:
        units = np.array(sorted(unit for unit in members if np.isfinite(scores[unit])), dtype=int)
        ordered = units[np.argsort(scores[units], kind="stable")]
        ranks[ordered] = (np.arange(len(ordered)) + 0.5) / max(1, len(ordered))
    return ranks


def fewest(order: Order, enough: Callable[[Removed], bool]) -> Removed | None:
    """The shortest beginning of the order that is enough, by bisection; None if not even all of it is."""
    low, high = 0, len(order.units)
    if not enough(order.first(high)):
        return None
    while low < high:
        middle = (low + high) // 2
        if enough(order.first(middle)):
            high = middle
        else:
            low = middle + 1
    return order.first(high)


def _divisible(channels: Channels, removed: Removed, scores: Scores, divisor: int) -> Removed:
    """Puts back the most important of the removed units until each layer's width is a multiple of the divisor.

    Layers whose width was none before are left as they are.
    """
    if divisor == 1 or not removed:
        return removed
    slots = [slot for slot in channels.slots if _is_width(slot) and len(slot.units) % divisor == 0]
    gone = set(removed)
    pending = list(slots)
    while pending:
        slot = pending.pop()
        while sum(unit not in gone for unit in slot.units) % divisor:
            back = max((unit for unit in slot.units if unit in gone), key=lambda unit: (scores[unit], unit))
            gone.remove(back)
            pending = [other for other in slots if other is not slot and back in other.units] + pending
    return frozenset(gone)


def _is_width(slot: Slot) -> bool:
    return slot.role == "output" and any(unit != KEPT for unit in slot.units)
