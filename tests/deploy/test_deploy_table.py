"""The table of predictions in each format, whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import csv, json, parquet

from convsmith.deploy import table
from convsmith.deploy.predict import Guess, Prediction
from convsmith.deploy.table import columns_of, prediction_file
from convsmith.errors import OutputError, UsageError

FORMATS = (".csv", ".jsonl", ".parquet")
PREDICTIONS = [
    Prediction('a "b",c.png', (Guess("Käfer", 0.75), Guess("bee", 0.25))),
    Prediction("broken.png", error="broken.png: empty file"),
    Prediction("c.png", (Guess("bee", 0.5), Guess("Käfer", 0.5))),
]


def read(path: Path) -> list[dict[str, Any]]:
    match path.suffix:
        case ".csv":
            found = csv.read_csv(path, convert_options=csv.ConvertOptions(strings_can_be_null=True))
        case ".jsonl":
            found = json.read_json(path)
        case _:
            found = parquet.read_table(path)
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_has_a_row_an_image(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "ROWS", 2)
    path = tmp_path / f"out{suffix}"
    with prediction_file(path, 2) as append:
        for prediction in PREDICTIONS:
            append(prediction)
        assert not path.exists()
    nothing = {"class_1": None, "probability_1": None, "class_2": None, "probability_2": None}
    assert read(path) == [
        {
            "image": 'a "b",c.png',
            "error": None,
            "class_1": "Käfer",
            "probability_1": 0.75,
            "class_2": "bee",
            "probability_2": 0.25,
        },
        {"image": "broken.png", "error": "broken.png: empty file", **nothing},
        {
            "image": "c.png",
            "error": None,
            "class_1": "bee",
            "probability_1": 0.5,
            "class_2": "Käfer",
            "probability_2": 0.5,
        },
    ]
    assert list(read(path)[0]) == columns_of(2).names
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_probabilities_are_float32() -> None:
    assert columns_of(1).field("probability_1").type == pa.float32()


def write(path: Path, failure: type[BaseException] | None = None) -> None:
    with prediction_file(path, 2) as append:
        append(PREDICTIONS[0])
        if failure is not None:
            raise failure


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_fails_leaves_what_was_there(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        write(path, KeyboardInterrupt)
    assert [entry.read_text() for entry in tmp_path.iterdir()] == ["before"]


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"cannot write .*out\.csv: No space left"):
        write(tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("out.txt", r"\.csv, \.jsonl, \.parquet"),
        ("out", r"\.parquet"),
        ("no/out.csv", "no folder"),
        ("d.csv", "folder"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(UsageError, match=words), prediction_file(tmp_path / name, 2):
        pytest.fail("it was to be refused before anything is predicted")
