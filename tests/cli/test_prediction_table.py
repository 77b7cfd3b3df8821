"""`convsmith predict` on folders, and its table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command import Command
from pyarrow import csv
from test_bad_input import assert_one_line


@pytest.fixture
def model(trained: Path) -> Path:
    return trained / "model.safetensors"


def test_a_folder_becomes_a_table(convsmith: Command, photo_folder: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    outcome = convsmith("predict", photo_folder, "--model", model, "--top", 2, "--out", out)
    rows = csv.read_csv(out).to_pylist()
    files = [str(path) for label in sorted(photo_folder.iterdir()) for path in sorted(label.iterdir())]
    assert [row["image"] for row in rows] == files
    assert list(rows[0]) == ["image", "error", "class_1", "probability_1", "class_2", "probability_2"]
    assert [row["image"] for row in rows if row["error"]] == [str(photo_folder / "cat/truncated.jpg")]
    assert outcome.code == 1
    assert re.fullmatch(rf"{out}: {len(files)} images, 1 unreadable, [\d.,]+ images/s\n", outcome.out)
    assert outcome.err.startswith(f"error: {photo_folder}/cat/truncated.jpg: damaged image")


def test_no_more_classes_are_given_than_there_are(
    convsmith: Command, photo_folder: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    words = ("predict", photo_folder / "cat/00.jpg", "--model", model, "--top", 50, "--out", out, "--json")
    written = json.loads(convsmith(*words).out)
    assert (written["file"], written["images"], written["unreadable"]) == (str(out), 1, 0)
    assert csv.read_csv(out).column_names[-1] == "probability_5"


def test_lines_alone_are_on_stdout(convsmith: Command, photo_folder: Path, model: Path) -> None:
    outcome = convsmith("predict", photo_folder / "coffee", "--model", model)
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) == 30
    assert re.fullmatch(r"30 images, 0 unreadable, [\d.,]+ images/s\n", outcome.err)


def test_many_unreadable_images_are_in_the_table_and_the_first_on_stderr(
    convsmith: Command, model: Path, tmp_path: Path
) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.jpg").write_text("not an image")
    outcome = convsmith("predict", tmp_path, "--model", model, "--out", tmp_path / "out.csv")
    assert outcome.code == 1
    assert len(outcome.err.splitlines()) == 10
    assert sum(bool(row["error"]) for row in csv.read_csv(tmp_path / "out.csv").to_pylist()) == 30


def test_an_empty_folder(convsmith: Command, model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused = convsmith("predict", tmp_path / "empty", "--model", model, "--out", tmp_path / "out.csv")
    assert_one_line(refused, 1, "empty holds no images")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


@pytest.mark.parametrize("name", ["out.xlsx", "nowhere/out.csv"])
def test_a_table_that_cannot_be_written(
    convsmith: Command, photo_folder: Path, model: Path, tmp_path: Path, name: str
) -> None:
    refused = convsmith("predict", photo_folder, "--model", model, "--out", tmp_path / name)
    assert_one_line(refused, 2, name)
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_that_is_not_there(convsmith: Command, photo_folder: Path, model: Path, tmp_path: Path) -> None:
    words = ("predict", photo_folder, "--model", model, "--out", tmp_path / "out.csv", "--cluster")
    assert_one_line(convsmith(*words, "somewhere"), 2, "--cluster: must be auto, HOST:PORT or ray://HOST:PORT")
    assert_one_line(convsmith(*words, "127.0.0.1:1"), 1, "--cluster: 127.0.0.1:1 does not answer")
    assert list(tmp_path.iterdir()) == []
