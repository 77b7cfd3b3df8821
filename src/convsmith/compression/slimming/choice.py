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
    divisor: int

    def first(self, count: int) -> Removed:
        """The first so many, less those that must stay for widths to be divisible."""
        return _divisible(self.channels, self.units[:count], self.divisor)


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
    units: list[int] = []
    for chunk in _chunks(channels, scores, divisor):
        lost = Counter(place for unit in chunk for place in places.get(unit, ()) for _ in range(rows[place][0][unit]))
        if all(left[place] - count >= least[place] for place, count in lost.items()):
            units += chunk
            for place, count in lost.items():
                left[place] -= count
    return Order(tuple(units), channels, divisor)


def _chunks(channels: Channels, scores: Scores, divisor: int) -> list[list[int]]:
    """Units that the same layers make, in chunks by which those layers' widths stay divisible, the lowest mean first.

    One by one, units of many layers would go before any layer has lost a whole chunk, and then many at once. What is
    left over, less than a chunk, stays.
    """
    units = [unit for unit in np.argsort(scores, kind="stable").tolist() if np.isfinite(scores[unit])]
    if divisor == 1:
        return [[unit] for unit in units]
    makers: dict[int, list[tuple[int, int]]] = {unit: [] for unit in units}
    for place, slot in enumerate(_divisible_widths(channels, divisor)):
        for unit, count in Counter(slot.units).items():
            if unit in makers:
                makers[unit].append((place, count))
    alike: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for unit in units:
        alike.setdefault(tuple(makers[unit]), []).append(unit)
    chunks = []
    for made, members in alike.items():
        size = divisor // gcd(divisor, *(count for _, count in made)) if made else 1
        chunks += [members[first : first + size] for first in range(0, len(members) - size + 1, size)]
    return sorted(chunks, key=lambda chunk: float(scores[chunk].mean()))


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


def _divisible(channels: Channels, removed: Sequence[int], divisor: int) -> Removed:
    """Puts back the last of the removed units until each layer's width is a multiple of the divisor.

    Layers whose width was none before are left as they are.
    """
    if divisor == 1 or not removed:
        return frozenset(removed)
    slots = _divisible_widths(channels, divisor)
    gone = {unit: place for place, unit in enumerate(removed)}
    pending = list(slots)
    while pending:
        slot = pending.pop()
        while sum(unit not in gone for unit in slot.units) % divisor:
            back = max((unit for unit in slot.units if unit in gone), key=gone.__getitem__)
            del gone[back]
            pending = [other for other in slots if other is not slot and back in other.units] + pending
    return frozenset(gone)


def _divisible_widths(channels: Channels, divisor: int) -> list[Slot]:
    """The axes of layers' output channels that a divisor is asked of: those that are multiples of it."""
    return [
        slot
        for slot in channels.slots
        if slot.role == "output" and len(slot.units) % divisor == 0 and any(unit != KEPT for unit in slot.units)
    ]
