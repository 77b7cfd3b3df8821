"""`convsmith runs` and `convsmith report` on runs that `convsmith fit` made."""

import json
from pathlib import Path

from command import QUICK, Command


def test_runs_are_listed_compared_and_have_pages(convsmith: Command, photo_folder: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for run, rate in ((first, "0.01"), (second, "0.02")):
        fitted = convsmith("fit", photo_folder, *QUICK, "--learning-rate", rate, "--out", run)
        assert fitted.code == 0, fitted.err

    listed = convsmith("runs", tmp_path, "--json")
    assert {run["run"]: run["state"] for run in json.loads(listed.out)} == {
        str(first): "finished",
        str(second): "finished",
    }
    assert "finished" in convsmith("runs", tmp_path).out
    compared = convsmith("runs", first, second)
    assert ["recipe.learning_rate", "0.01", "0.02"] in [line.split() for line in compared.out.splitlines()]

    (first / "report.html").unlink()
    reported = convsmith("report", first)
    assert (reported.code, reported.out.strip()) == (0, str(first / "report.html"))
    top1 = json.loads(listed.out)[0]["test"]["top1"]["value"]
    assert any(f"{top1:.2%}" in (run / "report.html").read_text() for run in (first, second))


def test_where_there_is_no_run_it_says_so(convsmith: Command, tmp_path: Path) -> None:
    for command in (("runs", tmp_path), ("runs", tmp_path / "nowhere"), ("report", tmp_path)):
        outcome = convsmith(*command)
        assert outcome.code == 2
        assert outcome.err.startswith("convsmith: ")
    assert "test, val, name" in convsmith("runs", tmp_path, "--sort", "nonsense").err
