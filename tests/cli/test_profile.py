"""`convsmith profile`, and the verbs that predict from what it measured."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from command import Command

from convsmith.devices import DeviceTable, EngineSetup, Machine, write_table
from convsmith.devices.interpolate import fit
from convsmith.devices.table import Accuracy, Row
from convsmith.devices.unit import Unit


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "user-data"
    monkeypatch.setattr("platformdirs.user_data_path", lambda name: folder / name)
    return folder / "convsmith" / "devices"


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """The table of a board, in a file: every operator takes as long as it has multiply-adds and elements."""
    rows: list[Row] = []
    fits = []
    for kind in ("stem", "conv", "dense", "function", "softmax"):
        units = [Unit(kind, (c, side, side), (2 * c, side, side), (3, 3)) for c in (4, 8, 16) for side in (7, 14, 28)]
        times = [0.01 + (unit.macs or unit.output[0] * unit.output[1]) / 1e6 for unit in units]
        found, _ = fit(kind, False, units, times)
        fits.append(found)
        rows += [Row(unit, ms) for unit, ms in zip(units, times, strict=True)]
    machine = Machine("Cortex-A76", "aarch64", 4, "Linux")
    engine = EngineSetup("onnxruntime", "1.20.0", 4)
    accuracy = Accuracy(0.1, 0.3, 0.06, 0.14, 0.98)
    table = DeviceTable("board", machine, engine, "2026-11-27", 1, 120, 0.02, accuracy, tuple(fits), tuple(rows))
    path = tmp_path / "board.json"
    write_table(table, path)
    return path


def test_a_table_is_imported_listed_and_written(convsmith: Command, board: Path, tmp_path: Path) -> None:
    assert "no device has been measured" in convsmith("profile", "--list").out
    done = convsmith("profile", "--import", board)
    assert done.code == 0
    assert "board: onnxruntime 1.20.0, 4 threads, Cortex-A76" in done.out
    assert "6.0% median, 14.0% for nine in ten" in done.out
    (line,) = convsmith("profile", "--list").out.splitlines()[2:]
    assert line.split()[0] == "board"
    convsmith("profile", "pi", "--import", board, "-o", tmp_path / "pi.json")
    assert json.loads((tmp_path / "pi.json").read_text())["name"] == "pi"
    assert [one["name"] for one in json.loads(convsmith("profile", "--list", "--json").out)] == ["board", "pi"]


def test_show_predicts_and_says_what_may_be_trusted(convsmith: Command, board: Path) -> None:
    convsmith("profile", "--import", board)
    shown = convsmith("show", "lenet5", "--device", "board").out
    assert "ms for one image, predicted: board" in shown
    assert "Note: measured on another machine (Cortex-A76, 4 cores, Linux): these are that machine's" in shown
    assert "these layers are guessed from others:" in shown
    header = shown.splitlines()[0]
    assert header.split()[-1] == "ms"
    data = json.loads(convsmith("show", "lenet5", "--device", board, "--json").out)["latency"]
    assert data["ms"] == pytest.approx(data["run_ms"] + sum(one["ms"] for one in data["operators"]))
    assert data["notes"][0].startswith("measured on another machine")


def test_design_keeps_a_limit_that_is_predicted(convsmith: Command, board: Path) -> None:
    limited = convsmith("design", "fashion-mini", "--max-latency", "0.0001", "--device", board)
    assert limited.code == 2
    assert "--max-latency: 0.0001 cannot be met: the smallest" in limited.err
    assert "measured on another machine" in limited.err
    assert "give one" in convsmith("design", "fashion-mini", "--device", board).err


def test_a_kit_for_another_device(convsmith: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from convsmith.devices.measure import kit

    monkeypatch.setattr(kit.write_kit, "__defaults__", (2, None))
    done = convsmith("profile", "--graphs", tmp_path / "kit.zip")
    assert "python profile_device.py . timings.jsonl" in done.out
    assert zipfile.ZipFile(tmp_path / "kit.zip").namelist() == [
        "profile_device.py",
        "design2-0000.onnx",
        "design2-0001.onnx",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("profile", "--list", "--graphs", "a.zip"), "convsmith: --graphs, --list: give one of them, not both"),
        (("profile", "--graphs", "a.tar"), "convsmith: --graphs: a.tar: the graphs are written as a .zip file"),
        (("profile", "--import", "none.json"), "convsmith: no file none.json"),
        (("profile", "x/y"), "convsmith: NAME: 'x/y' cannot be a device's name"),
        (("profile", "--time", "0s"), "convsmith: --time: "),
        (("show", "lenet5", "--device", "moon"), "convsmith: unknown device 'moon'"),
        (("show", "lenet5", "--device", "moon.json"), "convsmith: moon.json: cannot be read"),
        (("show", "lenet5", "--device", "moon", "--paper"), "convsmith: --device, --paper, --verify: is about latency"),
    ],
)
def test_bad_requests_are_one_line(
    convsmith: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = convsmith(*words)
    assert done.code == 2
    assert done.err.startswith(said), done.err
    assert len(done.err.splitlines()) == 1


def test_a_damaged_table_is_said(convsmith: Command, board: Path) -> None:
    board.write_text(board.read_text()[:500])
    done = convsmith("profile", "--import", board)
    assert done.code == 2
    assert "not a device table, or cut short" in done.err
