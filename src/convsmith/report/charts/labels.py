"""Where the labels of points go, so that they cover neither one another nor a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import cos, hypot, inf, pi, sin
from typing import Any, NamedTuple

from convsmith.report.charts.canvas import INK

DISTANCES = (5.0, 9.0, 15.0, 24.0, 36.0, 52.0, 72.0)
"""Gaps between a point and its label that are tried, in pixels."""

DIRECTIONS = 16
FONT_POINTS = 7.5
MARGIN = 4.0
"""Pixels between labels and the frame."""

LEADER_PIXELS = 14.0
"""A label further from its point than this is joined to it by a line."""

CLEAR = 1.5
"""A label that is not this much nearer to its own point than to any other misleads: it is joined to its own."""

ROUNDS = 4
"""How often each label may move once the others are in place."""

ATTEMPTS = 6
"""How often all start over, as long as one finds no place."""


class Box(NamedTuple):
    """A rectangle: left, bottom, right, top."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: Box) -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return width * height if width > 0 and height > 0 else 0.0

    def gap(self, point: Point) -> float:
        """How far a point's marker is from the rectangle's edge."""
        x = max(self.left - point.x, 0.0, point.x - self.right)
        y = max(self.bottom - point.y, 0.0, point.y - self.top)
        return max(0.0, hypot(x, y) - point.radius)

    def nearest(self, point: Point) -> tuple[float, float]:
        """The place on the rectangle that is nearest to a point: where a line to it ends."""
        return min(max(point.x, self.left), self.right), min(max(point.y, self.bottom), self.top)

    def crossed(self, start: tuple[float, float], end: tuple[float, float]) -> bool:
        """Whether a line passes through the rectangle (Liang and Barsky's clipping)."""
        first, last = 0.0, 1.0
        for begin, step, low, high in (
            (start[0], end[0] - start[0], self.left, self.right),
            (start[1], end[1] - start[1], self.bottom, self.top),
        ):
            if step == 0:
                if not low < begin < high:
                    return False
                continue
            near, far = sorted(((low - begin) / step, (high - begin) / step))
            first, last = max(first, near), min(last, far)
        return first < last

    def holds(self, other: Box) -> bool:
        return (
            self.left <= other.left
            and self.bottom <= other.bottom
            and other.right <= self.right
            and other.top <= self.top
        )


@dataclass(frozen=True)
class Point:
    """A marker, and the size of its label, in pixels."""

    x: float
    y: float
    radius: float
    width: float = 0.0
    height: float = 0.0

    @property
    def box(self) -> Box:
        return Box(self.x - self.radius, self.y - self.radius, self.x + self.radius, self.y + self.radius)


@dataclass(frozen=True)
class PlacedLabel:
    """A label's rectangle, and whether a line must join it to its point."""

    box: Box
    leader: bool


def place(points: Sequence[Point], inside: Box, obstacles: Sequence[Box] = ()) -> list[PlacedLabel | None]:
    """The place of each point's label within `inside`; None for a label that fits nowhere.

    The most crowded points choose first; then each may move while the others stay. Labels that found no place choose
    first in the next attempt. Deterministic.
    """
    order = sorted(range(len(points)), key=lambda i: (-_crowd(points, i), points[i].x, points[i].y))
    best: dict[int, PlacedLabel] = {}
    for _ in range(ATTEMPTS):
        taken = _attempt(points, order, inside, obstacles)
        if len(taken) > len(best):
            best = taken
        if len(best) == len(points):
            break
        order.sort(key=lambda i: i in taken)
    return [best.get(i) for i in range(len(points))]


def _attempt(
    points: Sequence[Point], order: Sequence[int], inside: Box, obstacles: Sequence[Box]
) -> dict[int, PlacedLabel]:
    """Point -> its label, of those that find a place in this order."""
    taken: dict[int, PlacedLabel] = {}
    for _ in range(ROUNDS):
        before = dict(taken)
        for i in order:
            taken.pop(i, None)
            labels = [label.box for label in taken.values()]
            lines = [(points[j], label.box) for j, label in taken.items() if label.leader]
            free = _Free(inside, [*obstacles, *(one.box for one in points)], labels, lines)
            found = _best(points[i], free, points)
            if found is not None:
                taken[i] = found
        if taken == before:
            break
    return taken


@dataclass(frozen=True)
class _Free:
    """What a label must leave free: markers and whiskers, other labels, and the lines to these."""

    inside: Box
    markers: Sequence[Box]
    labels: Sequence[Box]
    lines: Sequence[tuple[Point, Box]]

    def takes(self, box: Box) -> bool:
        if not self.inside.holds(box) or any(box.overlap(other) for other in (*self.markers, *self.labels)):
            return False
        return not any(box.crossed((point.x, point.y), label.nearest(point)) for point, label in self.lines)

    def joins(self, point: Point, box: Box) -> bool:
        """Whether a line from the point to its label passes through no other label or marker."""
        others = [*self.labels, *(marker for marker in self.markers if not marker.overlap(point.box))]
        return not any(other.crossed((point.x, point.y), box.nearest(point)) for other in others)


def _best(point: Point, free: _Free, points: Sequence[Point]) -> PlacedLabel | None:
    """The free rectangle that is near its point and far from the others."""
    found = []
    for distance, step in product(DISTANCES, range(DIRECTIONS)):
        box = _beside(point, distance, step)
        if not free.takes(box):
            continue
        gap = min((box.gap(other) for other in points if other is not point), default=inf)
        leader = distance > LEADER_PIXELS or gap < CLEAR * distance
        if not leader or free.joins(point, box):
            found.append((distance + max(0.0, CLEAR * distance + LEADER_PIXELS - gap), step, box, leader))
    return PlacedLabel(*min(found)[2:]) if found else None


def _beside(point: Point, distance: float, step: int) -> Box:
    """The label's rectangle in one direction: its nearest edge is `distance` from the marker's."""
    angle = 2 * pi * step / DIRECTIONS
    reach = point.radius + distance
    x, y = point.x + reach * cos(angle), point.y + reach * sin(angle)
    left = x - point.width * (1 - cos(angle)) / 2
    bottom = y - point.height * (1 - sin(angle)) / 2
    return Box(left, bottom, left + point.width, bottom + point.height)


def _crowd(points: Sequence[Point], i: int) -> int:
    """Points within a label's length."""
    here = points[i]
    return sum(hypot(here.x - one.x, here.y - one.y) < here.width for one in points)


def write_labels(
    axes: Any, canvas: Any, labels: Sequence[str], points: Sequence[Point], obstacles: Sequence[Box] = ()
) -> int:
    """Writes a label for each point of a panel that is drawn already; returns how many found no place."""
    renderer = canvas.get_renderer()
    texts = [axes.text(0, 0, label, fontsize=FONT_POINTS, zorder=4) for label in labels]
    extents = [text.get_window_extent(renderer) for text in texts]
    sized = [replace(p, width=e.width + 2, height=e.height) for p, e in zip(points, extents, strict=True)]
    frame = axes.get_window_extent(renderer)
    inside = Box(frame.x0 + MARGIN, frame.y0 + MARGIN, frame.x1 - MARGIN, frame.y1 - MARGIN)
    to_data = axes.transData.inverted()
    placed = place(sized, inside, obstacles)
    for point, text, label in zip(sized, texts, placed, strict=True):
        if label is None:
            text.remove()
            continue
        text.set_position(to_data.transform((label.box.left + 1, label.box.bottom)))
        text.set_verticalalignment("bottom")
        if label.leader:
            (x0, y0), (x1, y1) = map(to_data.transform, ((point.x, point.y), label.box.nearest(point)))
            axes.plot([x0, x1], [y0, y1], color=INK, alpha=0.55, linewidth=0.6, zorder=1, scalex=False, scaley=False)
    return sum(label is None for label in placed)
