"""`fit --teacher` on photographs: a large network teaches a small one."""

from __future__ import annotations

import json
from pathlib import Path

from command import Command

from convsmith.weights import read_header

STUDENT = ("--model", "lenet5", "--side", "28", "--epochs", "2", "--float32")


def test_a_finished_run_teaches_and_the_new_run_says_so(
    convsmith: Command, photo_folder: Path, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    fitted = convsmith("fit", photo_folder, *STUDENT, "--teacher", trained, "--distill", "attention", "--out", out)
    assert fitted.code == 0, fitted.err
    assert "teacher: lenet5: " in fitted.err
    assert "soft targets at temperature 4 and attention" in fitted.err
    assert json.loads((out / "run.json").read_text())["request"]["teacher"] == str(trained)
    assert read_header(out / "model.safetensors").provenance["taught_by"]["network"] == "lenet5"
    assert (out / "teacher.safetensors").is_file()

    again = convsmith("fit", photo_folder, "--resume", "--temperature", 2, "--teacher", trained, "--out", out)
    assert again.code == 2
    assert "--temperature 2.0: the run has 4.0" in again.err


def test_what_is_wrong_with_a_teacher_is_one_line(
    convsmith: Command, photo_folder: Path, trained: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes((trained / "model.safetensors").read_bytes()[:5000])
    for words, code, told in (
        (("--distill", "soft"), 2, "--distill: need"),
        (("--teacher", tmp_path / "none.safetensors"), 2, "none.safetensors"),
        (("--teacher", damaged), 1, "damaged.safetensors"),
        (("--teacher", trained, "--temperature", -1), 2, "--temperature: must be above 0"),
    ):
        refused = convsmith("fit", photo_folder, *STUDENT, *words, "--out", tmp_path / "run")
        assert refused.code == code, refused.err
        assert told in refused.err
        assert len(refused.err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()
