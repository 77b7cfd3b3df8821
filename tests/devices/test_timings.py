"""Timings of a device: made by the script that runs there, read here, learned from."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import fake_device
import pytest

from convsmith.devices import DeviceTable
from convsmith.devices.measure import runner
from convsmith.devices.measure.kit import SCRIPT, write_kit
from convsmith.devices.measure.samples import radical_inverse, sample_network
from convsmith.devices.measure.session import import_file
from convsmith.devices.measure.timings import read_timings
from convsmith.errors import UsageError


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpacked kit of two graphs."""
    folder = tmp_path_factory.mktemp("kit")
    write_kit(folder / "kit.zip", networks=2)
    zipfile.ZipFile(folder / "kit.zip").extractall(folder)
    return folder


def on_the_device(folder: Path, graphs: str = ".") -> subprocess.CompletedProcess[str]:
    """Runs the script as a device would: without convsmith on its path."""
    command = [sys.executable, "-I", SCRIPT, graphs, "timings.jsonl"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_kit_is_small_and_times_its_graphs(kit: Path) -> None:
    assert (kit / "kit.zip").stat().st_size < 300_000
    done = on_the_device(kit)
    assert done.returncode == 0, done.stderr
    timings = read_timings(kit / "timings.jsonl")
    assert sorted(timings.networks) == [0, 1]
    assert timings.engine.name == "onnxruntime"
    for one in timings.networks.values():
        assert one.run_ms > 0.5 * sum(ms for _, _, ms, _ in one.kernels) > 0


def test_a_stopped_script_goes_on(kit: Path) -> None:
    on_the_device(kit, "kit.zip")
    path = kit / "timings.jsonl"
    whole = path.read_text()
    first = whole.splitlines(keepends=True)[:2]
    path.write_text("".join(first) + '{"graph": "design2-0001", "run')
    assert on_the_device(kit, "kit.zip").returncode == 0
    again = path.read_text().splitlines(keepends=True)
    assert again[:2] == first
    assert len(again) == 3


def test_the_script_refuses_another_devices_times(kit: Path, tmp_path: Path) -> None:
    write_kit(tmp_path / "kit.zip", networks=1)
    zipfile.ZipFile(tmp_path / "kit.zip").extractall(tmp_path)
    (tmp_path / "timings.jsonl").write_text(json.dumps(fake_device.lines(1, machine={"processor": "Z80"})[0]) + "\n")
    done = on_the_device(tmp_path)
    assert done.returncode == 1
    assert "begun on another machine" in done.stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no .onnx files" in on_the_device(tmp_path, "empty").stderr


def test_timings_become_a_table(table: DeviceTable) -> None:
    assert table.name == "board"
    assert table.networks == fake_device.NETWORKS
    assert table.run_ms == pytest.approx(fake_device.RUN_MS, abs=0.01)
    assert table.accuracy.explained > 0.999
    assert table.accuracy.networks_median < 0.25


def changed(lines: list[dict], number: int, **changes: object) -> list[dict]:
    return [line | changes if position == number else line for position, line in enumerate(lines)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines[:4], "3 networks were timed; a table needs at least 20: measure on"),
        (lambda lines: lines[1:], "not a device table"),
        (lambda lines: changed(lines, 0, version=9), "timings of version 9; this convsmith reads 1"),
        (lambda lines: changed(lines, 0, engine={"name": "x"}), "missing required field `version`"),
        (lambda lines: changed(lines, 3, graph="design9-0002"), "is not of the networks that this convsmith measures"),
        (lambda lines: changed(lines, 3, run_ms=["fast"]), "the timings of graph 'design2-0002' are damaged"),
        (lambda lines: changed(lines, 3, run_ms=[-1.0]), "the timings of graph 'design2-0002' are damaged"),
        (lambda lines: [lines[0], *(line | {"nodes": []} for line in lines[1:])], "none of the timed kernels"),
    ],
)
def test_what_is_wrong_with_timings_is_said(tmp_path: Path, timings_file: Path, change, said: str) -> None:
    lines = [json.loads(line) for line in timings_file.read_text().splitlines()]
    path = tmp_path / "other.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in change(lines)))
    with pytest.raises(UsageError, match=said):
        import_file(path, None)


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path, timings_file: Path) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_text(timings_file.read_text()[:-100])
    assert len(read_timings(path).networks) == fake_device.NETWORKS - 1


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        import_file(tmp_path / "none.jsonl", None)


def test_kernels_get_what_their_events_say() -> None:
    def event(name: str, microseconds: int) -> dict:
        facts = {"op_name": "Conv", "output_type_shape": [{"float": [1, 8, 4, 4]}]}
        return {"cat": "Node", "name": f"{name}_kernel_time", "dur": microseconds, "args": facts}

    events = [event("a", 9), event("a", 7), {"cat": "Session", "name": "model_run", "dur": 20}, event("a", 5)]
    assert runner.nodes_of(events, 1) == [["a", "Conv", [0.007, 0.005], [1, 8, 4, 4]]]


def test_the_sampled_networks_are_those_that_timings_are_of() -> None:
    """Timings name networks by number: another network under a number needs another number of the design."""
    import hashlib

    text = json.dumps([sample_network(number).to_json() for number in range(20)], sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "7e769e6086aacce5"


def test_the_sequence_fills_the_line() -> None:
    assert [radical_inverse(index, 2) for index in (1, 2, 3, 4)] == [0.5, 0.25, 0.75, 0.125]
    assert sorted(round(radical_inverse(index, 3) * 9) for index in range(9)) == list(range(9))
