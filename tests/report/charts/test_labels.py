"""Labels cover neither one another nor a marker."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from convsmith.report.charts.labels import Box, Point, place

INSIDE = Box(0, 0, 600, 400)
SPREAD = st.builds(
    Point,
    x=st.floats(10, 590),
    y=st.floats(10, 390),
    radius=st.just(5.0),
    width=st.floats(10, 90),
    height=st.just(10.0),
)


@given(st.lists(SPREAD, max_size=8))
@settings(max_examples=25, deadline=None)
def test_labels_stay_inside_and_clear_of_each_other_and_of_the_markers(points: list[Point]) -> None:
    boxes = [label.box for label in place(points, INSIDE) if label is not None]
    for i, box in enumerate(boxes):
        assert INSIDE.holds(box)
        assert not any(box.overlap(other) for other in boxes[:i])
        assert not any(box.overlap(point.box) for point in points)


@given(st.lists(SPREAD, max_size=5))
@settings(max_examples=5, deadline=None)
def test_labels_are_placed_alike_each_time(points: list[Point]) -> None:
    assert place(points, INSIDE) == place(points, INSIDE)


def test_a_column_of_points_gets_all_its_labels() -> None:
    points = [Point(300, 50 + 12 * i, 5, 60, 10) for i in range(16)]
    placed = place(points, INSIDE)
    assert None not in placed


def test_a_label_that_fits_nowhere_is_left_out() -> None:
    assert place([Point(5, 5, 3, 200, 10)], Box(0, 0, 100, 20)) == [None]


def test_a_label_keeps_clear_of_obstacles() -> None:
    wall = Box(100, 0, 600, 400)
    (label,) = place([Point(60, 200, 5, 50, 10)], INSIDE, [wall])
    assert label is not None
    assert not label.box.overlap(wall)


@pytest.mark.parametrize(
    ("start", "end", "crossed"),
    [
        ((-10.0, 5.0), (20.0, 5.0), True),
        ((5.0, -5.0), (5.0, 20.0), True),
        ((-10.0, 5.0), (-1.0, 5.0), False),
        ((-10.0, -10.0), (20.0, -1.0), False),
        ((2.0, 2.0), (8.0, 8.0), True),
        ((20.0, 0.0), (20.0, 10.0), False),
    ],
)
def test_a_line_crosses_a_box_where_it_passes_through(
    start: tuple[float, float], end: tuple[float, float], crossed: bool
) -> None:
    assert Box(0, 0, 10, 10).crossed(start, end) == crossed
