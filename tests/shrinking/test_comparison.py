"""Methods side by side, and their curves."""

from __future__ import annotations

import json

import pytest
from little import RECIPE, clothes, trained

from convsmith.errors import UnknownNameError, UsageError
from convsmith.shrinking.compress import compress
from convsmith.shrinking.figures import plain_bytes
from convsmith.shrinking.plot import curves_of, draw
from convsmith.shrinking.table import Comparison, compare_methods


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare_methods(trained(), clothes(), ("int8", "share", "deep"), max_drop=3, epochs=2, recipe=RECIPE)


def test_each_method_has_its_smallest_file_that_kept_the_accuracy(comparison):
    best = comparison.best()
    assert set(best) == {"int8", "share", "deep"}
    for name, point in best.items():
        kept = [one.figures.bytes for one in comparison.points if one.method == name and one.kept]
        assert point.figures.bytes == min(kept, default=point.figures.bytes)
        assert point.figures.bytes <= plain_bytes(trained()) / point.ratio


def test_a_ladder_ends_with_the_first_step_that_loses_too_much(comparison):
    for name in comparison.best():
        kept = [one.kept for one in comparison.points if one.method == name]
        assert all(kept[:-1])


def test_the_table_has_the_papers_columns(comparison):
    lines = str(comparison).splitlines()
    header = next(line for line in lines if line.startswith("approach"))
    assert header.split() == ["approach", "bits", "before", "after", "ratio", "top-1", "(test)", "top-5", "ms"]
    rows = json.loads(json.dumps(comparison.to_json()))["table"]
    assert (rows[0]["approach"], rows[0]["ratio"]) == ("none", 1)
    assert {"bits", "before", "after", "ratio", "top1", "top5", "latency_ms"} <= set(rows[1])
    names = {row["approach"]: row for row in rows}
    own, ours = names["Deep Compression, its own format"], names["Deep Compression, our file"]
    assert own["top1"] == ours["top1"]
    assert 0.5 < own["after"] / ours["after"] < 2


def test_a_method_without_sizes_to_try_is_refused():
    with pytest.raises(UnknownNameError, match="unknown method 'prun'; nearest: prune"):
        compare_methods(trained(), clothes(), ("prun",))


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_comparison_is_drawn(comparison, kind, tmp_path):
    draw(comparison, tmp_path / f"curves.{kind}")
    start = (tmp_path / f"curves.{kind}").read_bytes()[:100]
    assert start.startswith({"svg": b"<?xml", "png": b"\x89PNG"}[kind])


def test_a_compression_has_its_steps_and_the_curve_of_what_was_quantized(tmp_path):
    found = compress(trained(), clothes(), "8x", max_drop=5, recipe=RECIPE, epochs=2)
    steps, first = curves_of(found)
    assert [mark.amount for mark in steps.marks] == [found.before.bytes, found.after.bytes]
    sizes = [mark.amount for mark in first.marks]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) > 4
    draw(found, tmp_path / "c.svg")
    text = (tmp_path / "c.svg").read_text()
    assert "quantized without training" in text
    assert "test accuracy" in text


def test_a_picture_of_another_kind_is_refused(comparison, tmp_path):
    with pytest.raises(UsageError, match=r"^plot: curves.gif must end in"):
        draw(comparison, tmp_path / "curves.gif")
