"""`convsmith compress` from the command line, on a run's model and its photographs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Command

from convsmith.shrinking.task import Task


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_model_is_made_smaller_and_every_verb_takes_it(
    convsmith: Command, trained: Path, photo_folder: Path, inside: Path
) -> None:
    made = convsmith("compress", trained, photo_folder, "--to", "6x", "--max-drop", 50, "--out", "small.safetensors")
    assert made.code == 0, made.err
    assert "target met" in made.out
    assert "quantize: each weight at the multiple" in made.out
    whole, small = (path.stat().st_size for path in (trained / "model.safetensors", inside / "small.safetensors"))
    assert small < whole / 5
    assert f"{small:,} bytes" in made.out
    assert [path.name for path in inside.iterdir()] == ["small.safetensors"]
    photo = next((photo_folder / "coffee").glob("*.jpg"))
    for words in (("predict", photo, "--model", "small.safetensors"), ("size", "small.safetensors")):
        assert convsmith(*words).code == 0
    assert "agrees on 21 of 21" in convsmith("export", "small.safetensors", "-o", "a.onnx", "--data", photo_folder).out


def test_the_report_is_json_and_pictures_are_drawn(
    convsmith: Command, trained: Path, photo_folder: Path, inside: Path
) -> None:
    made = convsmith(
        *("compress", trained, photo_folder, "--to", "50%-macs", "--max-drop", 100, "--epochs", 1, "--json"),
        *("--plot", "curve.svg", "--scan", "scan.svg"),
    )
    assert made.code == 0, made.err
    report = json.loads(made.out)
    assert report["met"] is True
    assert report["after"]["macs"] <= 0.5 * report["before"]["macs"]
    assert {path.name for path in inside.iterdir()} == {"compressed.safetensors", "curve.svg", "scan.svg"}
    assert "multiply-adds for one image" in Path("curve.svg").read_text()


def test_a_scan_alone_prints_a_table(convsmith: Command, trained: Path, photo_folder: Path, inside: Path) -> None:
    made = convsmith("compress", trained, photo_folder, "--scan", "scan.png")
    assert made.code == 0, made.err
    assert "accuracy with one layer pruned" in made.out
    assert [path.name for path in inside.iterdir()] == ["scan.png"]


def test_a_missed_target_is_one_line_and_writes_nothing_unless_asked(
    convsmith: Command, trained: Path, photo_folder: Path, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Task, "met", lambda task, figures: False)
    words = ("compress", trained, photo_folder, "--to", "6x", "--method", "int8", "--max-drop", 1)
    missed = convsmith(*words, "--out", "small.safetensors")
    last = missed.err.strip().splitlines()[-1]
    assert missed.code == 1
    assert last.startswith("convsmith: --to, --max-drop: at most ")
    assert "was not reached within 1 points (int8: it comes to " in last
    assert list(inside.iterdir()) == []
    asked = convsmith(*words, "--best-effort")
    assert asked.code == 1
    assert "TARGET NOT MET" in asked.out
    assert Path("compressed.safetensors").stat().st_size < (trained / "model.safetensors").stat().st_size


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--to", "small"), 2, "--to: 'small' is not a target; write a size such as 100kB"),
        (("--to", "10GB"), 2, "--to: the model has"),
        (("--to", "2ms", "--method", "svd"), 2, "--method, --to: svd lowers"),
        (("--to", "5x", "--method", "magic"), 2, "unknown method 'magic'"),
        (("--to", "5x", "--max-drop", "-2"), 2, "--max-drop: must be 0 to 100 points"),
        (("--to", "5x", "--recipe", "sourdough"), 2, "unknown recipe 'sourdough'"),
        (("--to", "5x", "--plot", "curve.gif"), 2, "--plot: must end in .svg, .png, .pdf, not 'curve.gif'"),
        (("--to", "5x", "--table"), 2, "--to, --table: give a target or ask for the table"),
        ((), 2, "--to, --table: give a target or ask for the table"),
        (("--table", "--out", "x.safetensors"), 2, "the table makes no model"),
    ],
)
def test_bad_requests_are_refused_in_a_line(
    convsmith: Command, trained: Path, photo_folder: Path, inside: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    refused = convsmith("compress", trained, photo_folder, *words)
    assert refused.code == code
    assert refused.err.strip().splitlines()[-1].startswith("convsmith: ")
    assert told in refused.err
    assert list(inside.iterdir()) == []


def test_other_classes_and_files_that_are_no_model_are_refused(
    convsmith: Command, trained: Path, photo_folder: Path, inside: Path
) -> None:
    other = convsmith("compress", trained, "fashion-mini", "--to", "5x")
    assert other.code == 1
    assert "fashion-mini has other classes than the model" in other.err
    onnx = convsmith("compress", trained / "model.onnx", photo_folder, "--to", "5x")
    assert (onnx.code, "is an ONNX file" in onnx.err) == (2, True)
    Path("broken.safetensors").write_bytes((trained / "model.safetensors").read_bytes()[:-100])
    assert convsmith("compress", "broken.safetensors", photo_folder, "--to", "5x").code == 1
    assert convsmith("compress", "lenet5", photo_folder, "--to", "5x").code == 2
