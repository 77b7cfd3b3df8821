"""Tables in files: whole, damaged, of another kind; and what they predict."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import fake_device
import pytest
from hypothesis import given, settings, strategies as st

import convsmith
from convsmith.devices import DeviceTable, load_table, predict, predicted_ms, read_table, save_table, write_table
from convsmith.devices.interpolate import Fit
from convsmith.devices.table import Accuracy, EngineSetup, Machine, Row
from convsmith.devices.unit import KINDS, Unit
from convsmith.errors import UnknownNameError, UsageError

NUMBERS = st.floats(-1e3, 1e3)
SIDES = st.integers(1, 4096)
PAIRS = st.tuples(st.integers(1, 11), st.integers(1, 11))
UNITS = st.builds(
    Unit,
    st.sampled_from(KINDS),
    st.tuples(SIDES, SIDES, SIDES),
    st.one_of(st.tuples(SIDES), st.tuples(SIDES, SIDES, SIDES)),
    PAIRS,
    PAIRS,
    PAIRS,
    SIDES,
    st.sampled_from(["", "relu", "mish"]),
    st.integers(1, 5),
    st.booleans(),
)
FITS = st.builds(
    Fit,
    st.sampled_from(KINDS),
    st.booleans(),
    st.just((0, 2)),
    st.tuples(NUMBERS, NUMBERS),
    st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)),
    NUMBERS,
    st.tuples(NUMBERS, NUMBERS),
    st.dictionaries(st.text(max_size=8), NUMBERS, max_size=2),
    st.one_of(st.just(()), st.tuples(NUMBERS, NUMBERS)),
    NUMBERS,
    NUMBERS,
)
TABLES = st.builds(
    DeviceTable,
    st.text(max_size=9),
    st.builds(Machine, st.text(max_size=9), st.text(max_size=9), st.integers(1, 512), st.text(max_size=9)),
    st.builds(EngineSetup, st.text(max_size=9), st.text(max_size=9), st.integers(1, 64)),
    st.text(max_size=9),
    st.integers(1, 9),
    st.integers(1, 999),
    NUMBERS,
    st.builds(Accuracy, *[st.floats(0, 1)] * 5),
    st.lists(FITS, min_size=1, max_size=2).map(tuple),
    st.lists(st.builds(Row, UNITS, st.floats(1e-4, 1e4)), min_size=1, max_size=3).map(tuple),
)


@settings(max_examples=30)
@given(TABLES)
def test_a_table_comes_back_as_it_was_written(table: DeviceTable) -> None:
    assert DeviceTable.from_json(json.loads(json.dumps(table.to_json()))) == table


def test_a_table_is_kept_by_name_and_read_from_a_file(table: DeviceTable, tmp_path: Path) -> None:
    save_table(table)
    assert load_table("board") == table
    write_table(table, tmp_path / "elsewhere.json")
    assert load_table(tmp_path / "elsewhere.json") == table
    with pytest.raises(UnknownNameError, match="unknown device 'bord'; nearest: board"):
        load_table("bord")


def test_a_name_must_be_one_that_a_file_can_have(table: DeviceTable) -> None:
    with pytest.raises(UsageError, match="cannot be a device's name"):
        save_table(replace(table, name="../board"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[: len(text) // 2], "cut short: not JSON"),
        (lambda text: "[]", "not a device table"),
        (lambda text: json.dumps(json.loads(text) | {"version": 7}), "of version 7; this convsmith reads 1"),
        (lambda text: json.dumps(json.loads(text) | {"rows": []}), "an empty device table"),
        (lambda text: json.dumps(json.loads(text) | {"rows": 5}), "it has no rows"),
        (lambda text: json.dumps(json.loads(text) | {"more": 5}), "unknown field 'more'"),
        (lambda text: json.dumps(json.loads(text) | {"engine": {"name": "x"}}), "missing required field `version`"),
        (lambda text: text.replace('"ms": ', '"ms": -', 1), "a time that is not above 0"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(table: DeviceTable, tmp_path: Path, change, said: str) -> None:
    path = tmp_path / "damaged.json"
    write_table(table, path)
    path.write_text(change(path.read_text()))
    with pytest.raises(UsageError, match=said) as raised:
        read_table(path)
    assert "damaged.json" in str(raised.value)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v1", "plain18", "googlenet_bn"])
def test_a_network_that_was_not_measured_is_predicted(table: DeviceTable, name: str) -> None:
    net = convsmith.create(name)
    assert predicted_ms(net, table) == pytest.approx(fake_device.network_ms(net), rel=0.25)


def test_the_total_is_the_sum_of_the_operators(table: DeviceTable) -> None:
    net = convsmith.create("squeezenet1_0")
    found = predict(net, table)
    assert found.ms == pytest.approx(found.run_ms + sum(one.ms for one in found.operators))
    assert found.ms == pytest.approx(predicted_ms(net, table))
    assert sum(found.by_layer().values()) + found.run_ms == pytest.approx(found.ms)
    assert set(found.by_layer()) <= {node.name for node in net} | {"probabilities"}


def test_a_kind_that_was_not_measured_is_guessed_and_named(table: DeviceTable) -> None:
    fits = tuple(fit for fit in table.fits if fit.kind != "depthwise")
    rows = tuple(row for row in table.rows if row.unit.kind != "depthwise")
    found = predict(convsmith.create("mobilenet_v1"), replace(table, fits=fits, rows=rows))
    assert len(found.guessed) == 13
    assert found.ms > 0
    assert predict(convsmith.create("mobilenet_v1"), table).guessed == ()


def test_a_table_travels_to_other_processes(table: DeviceTable) -> None:
    net = convsmith.create("lenet5")
    assert predicted_ms(net, pickle.loads(pickle.dumps(table))) == pytest.approx(predicted_ms(net, table))
