"""Spaces as data: what members are, and that arrays cost them exactly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from convsmith.cost import cost_of
from convsmith.cost.totals import Totals
from convsmith.errors import ShapeError, UnknownNameError, UsageError
from convsmith.searching.spaces.members import Members
from convsmith.searching.spaces.named import space_for
from convsmith.searching.spaces.space import Choice, Space, read_space

SHAPES = {"small": (1, 28, 28), "colour": (3, 32, 32), "photo": (3, 96, 96)}


def members(name: str, shape: str = "small", classes: int = 7) -> Members:
    return Members(space_for(name, SHAPES[shape], classes), SHAPES[shape], classes)


def figures(totals: Totals, place: int) -> tuple[int, ...]:
    return tuple(int(figure[place]) for figure in totals)


def exact(one: Members, row: np.ndarray) -> tuple[int, ...]:
    cost = cost_of(one.network(row))
    return tuple(int(getattr(cost, name)) for name in Totals._fields)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["mbconv", "residual", "dense", "plain", "resnet20", "mobilenet_v2"])
def test_arrays_cost_members_as_each_is_costed_alone(name: str, shape: str) -> None:
    one = members(name, shape)
    rows = np.random.default_rng(1).integers(0, one.counts, (6, len(one.counts)))
    rows[0], rows[1] = 0, one.counts - 1
    totals = one.totals(rows)
    for place, row in enumerate(rows):
        assert figures(totals, place) == exact(one, row), f"{name}: {row}"


@given(st.data())
@settings(max_examples=15)
def test_a_space_of_ones_own_is_costed_exactly_too(data: st.DataObject) -> None:
    def values(least: int, most: int) -> tuple[int, ...]:
        return tuple(sorted(data.draw(st.sets(st.integers(least, most), min_size=1, max_size=3))))

    choices = [Choice("stem", values(1, 9)), Choice("function", ("relu",))]
    for stage in (1, 2):
        choices += [
            Choice(f"stage{stage}.kernel", tuple(2 * value + 1 for value in values(0, 3))),
            Choice(f"stage{stage}.expand", values(1, 4)),
            Choice(f"stage{stage}.se", (0, 1)),
            Choice(f"stage{stage}.skip", (0, 1)),
            Choice(f"stage{stage}.filters", values(1, 13)),
            Choice(f"stage{stage}.layers", values(1, 3)),
        ]
    one = Members(Space("own", "mbconv", tuple(choices)), (3, 15, 15), 3)
    rows = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, one.counts, (4, len(one.counts)))
    totals = one.totals(rows)
    assert [figures(totals, place) for place in range(4)] == [exact(one, row) for row in rows]


def test_hyperparameters_of_a_family_are_choices() -> None:
    space = Space("thin", "zoo", (Choice("width", (0.5, 1.0)), Choice("multiplier_free", (1,))), "mobilenet_v1")
    with pytest.raises(UsageError, match="multiplier_free"):
        Members(space, (3, 32, 32), 4)
    space = Space("growth", "zoo", (Choice("growth", (8, 12)),), "densenet121")
    one = Members(space, (3, 32, 32), 4)
    rows = np.array([[0], [1]])
    assert [figures(one.totals(rows), place) for place in (0, 1)] == [exact(one, row) for row in rows]


def test_a_space_is_json_and_back(tmp_path: Path) -> None:
    space = space_for("mbconv", (3, 224, 224), 10)
    path = tmp_path / "space.json"
    path.write_text(json.dumps(space.to_json()))
    assert read_space(path) == space
    assert space_for(path, (3, 224, 224), 10) == space
    assert space.stages == 7


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "magic"}, "kind of a space must be one of"),
        ({"colour": 1}, "no field 'colour'"),
        ({"choices": {"stem": []}}, "stem must have one or more values"),
        ({"choices": {"stem": [8, 8]}}, "each once"),
        ({"choices": {"stem": [16, 8]}}, "in order"),
        ({"choices": {"stem": 8}}, "stem must have a list"),
        ({"choices": {}}, "no choices"),
        ({"choices": {"stem": [8]}}, "lacks the choice"),
        ({"strides": "2"}, "strides must be whole numbers"),
        ({"strides": [1, 2]}, "2 strides for 1 stages"),
        ({"network": "resnet20"}, "where the kind is zoo"),
    ],
)
def test_what_is_no_space_is_refused_by_name(change: dict[str, object], said: str, tmp_path: Path) -> None:
    data = {"kind": "residual", "choices": dict(RESIDUAL)} | change
    path = tmp_path / "own.json"
    path.write_text(json.dumps(data))
    with pytest.raises(UsageError, match=said):
        Members(read_space(path), (1, 8, 8), 2)


RESIDUAL: dict[str, list[object]] = {
    "stem": [4],
    "function": ["relu"],
    "stage1.kernel": [3],
    "stage1.se": [0],
    "stage1.filters": [4, 8],
    "stage1.layers": [1, 2],
}


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("stage1.kernel", [4], "stage1.kernel must have odd whole numbers, not 4"),
        ("stage1.filters", [0], "stage1.filters must have whole numbers of at least 1, not 0"),
        ("stage1.filters", ["many"], "not 'many'"),
        ("stage1.filters", [1.5], "not 1.5"),
        ("function", ["tanh"], "function must have relu, silu and hard_swish, not 'tanh'"),
        ("function", [1], "not 1"),
        ("stage1.wings", [2], "unknown choice stage1.wings"),
    ],
)
def test_a_value_that_a_choice_cannot_have_is_refused(name: str, values: list[object], said: str) -> None:
    data = {"kind": "residual", "choices": RESIDUAL | {name: values}}
    with pytest.raises(UsageError, match=said):
        Members(Space.from_json(data, "own"), (1, 8, 8), 2)


def test_a_file_that_is_no_json_and_an_unknown_name_are_said(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text("{")
    with pytest.raises(UsageError, match=r"space: .*own\.json is no space"):
        read_space(tmp_path / "own.json")
    with pytest.raises(UnknownNameError, match="nearest: mbconv"):
        space_for("mbcon", (1, 28, 28), 10)


def test_blocks_of_a_stage_that_is_not_there_are_refused() -> None:
    with pytest.raises(UsageError, match="stages whose blocks can be counted, not blocks9"):
        Members(Space("own", "zoo", (Choice("blocks9", (1, 2)),), "resnet20"), (3, 32, 32), 10)


def test_too_small_an_input_names_the_layer() -> None:
    one = Members(space_for("plain", (1, 28, 28), 10), (1, 2, 2), 10)
    with pytest.raises(ShapeError, match="pool"):
        one.network([0] * len(one.counts))
