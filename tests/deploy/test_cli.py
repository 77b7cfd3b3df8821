from __future__ import annotations

import json
from pathlib import Path

import typer
from typer.testing import CliRunner

from convsmith.cli.model import export, predict
from convsmith.errors import UsageError

RUNNER = CliRunner()
APP = typer.Typer()
APP.command()(export.export)
APP.command()(predict.predict)


def test_export_writes_beside_the_model_and_says_how_well_it_agrees(model_path: Path, data: Path) -> None:
    result = RUNNER.invoke(APP, ["export", str(model_path), "--data", str(data)], catch_exceptions=False)
    assert result.exit_code == 0
    assert model_path.with_suffix(".onnx").exists()
    assert "top-1 agrees on 4 of 4 images" in result.stdout


def test_export_prints_json_alone_on_stdout(model_path: Path, data: Path, tmp_path: Path) -> None:
    target = tmp_path / "other.onnx"
    arguments = ["export", str(model_path), "--data", str(data), "-o", str(target), "--limit", "2", "--json"]
    result = json.loads(RUNNER.invoke(APP, arguments, catch_exceptions=False).stdout)
    assert result["onnx"] == str(target)
    assert result["bytes"] == target.stat().st_size
    assert result["images"] == 2
    assert result["passed"] is True


def test_predict_prints_a_line_for_each_image(model_path: Path, data: Path) -> None:
    files = [str(path) for path in sorted(data.rglob("*.png"))[:2]]
    result = RUNNER.invoke(APP, ["predict", *files, "--model", str(model_path), "--top", "1"], catch_exceptions=False)
    assert result.exit_code == 0
    assert [line.partition(": ")[0] for line in result.stdout.splitlines()] == files


def test_predict_goes_on_after_a_bad_image_and_exits_with_1(model_path: Path, data: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not an image")
    good = next(data.rglob("*.png"))
    result = RUNNER.invoke(APP, ["predict", str(bad), str(good), "--model", str(model_path), "--json"])
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)
    assert first["guesses"] == []
    assert "bad.png" in first["error"]
    assert second["error"] is None
    assert len(second["guesses"]) == 3
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1


def test_the_help_of_each_verb_has_an_example() -> None:
    for verb in ("export", "predict"):
        assert f"convsmith {verb}" in RUNNER.invoke(APP, [verb, "--help"]).stdout


def test_export_says_each_engine_and_what_preprocessing_is_left_to_others(model_path: Path, data: Path) -> None:
    arguments = ["export", str(model_path), "--data", str(data), "--no-preprocess", "--verify-with", "onnxruntime"]
    result = RUNNER.invoke(APP, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "resize=28" in result.stdout


def test_export_refuses_a_size_that_is_none(model_path: Path, data: Path) -> None:
    result = RUNNER.invoke(APP, ["export", str(model_path), "--data", str(data), "--image-size", "480"])
    assert isinstance(result.exception, UsageError)
    assert "480x640" in str(result.exception)
