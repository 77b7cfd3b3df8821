"""`fit` on a folder with all of the faults at once, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

from command import QUICK, Command

from faults import LEFT_OUT, NOT_SEEN, NOTED, faulty_folder


def test_fit_trains_and_names_every_fault(convsmith: Command, tmp_path: Path) -> None:
    folder, out = faulty_folder(tmp_path / "pets"), tmp_path / "run"
    done = convsmith("fit", folder, *QUICK, "--out", out)
    assert done.code == 0, done.err
    said = done.out + done.err
    for name, (_, reason) in (LEFT_OUT | NOTED).items():
        assert any(name in line and reason in line for line in said.splitlines()), name
    for name in ("cow", "loose.png", "loop", "runs: runs of convsmith", "3 files are not images and were passed over"):
        assert name in said
    assert not any(name in said for name in NOT_SEEN)
    assert (out / "model.safetensors").exists()
    summary = json.loads((out / "summary.json").read_text())
    assert set(LEFT_OUT) <= {name for name in LEFT_OUT if name in json.dumps(summary)}
    share = f"{len(LEFT_OUT)} of 67 files ({len(LEFT_OUT) / 67:.1%}) cannot be used"
    assert any(share in line for line in done.err.splitlines()[:3])
    assert share in done.out
    assert (summary["data"]["unusable"], summary["data"]["files"]) == (len(LEFT_OUT), 67)


def test_strict_refuses_and_names_every_fault(convsmith: Command, tmp_path: Path) -> None:
    folder, out = faulty_folder(tmp_path / "pets"), tmp_path / "run"
    refused = convsmith("fit", folder, *QUICK, "--out", out, "--strict")
    assert refused.code == 1
    for name in (*LEFT_OUT, "cow", "loose.png", "loop"):
        assert name in refused.err
    assert "Traceback" not in refused.err
    assert len(refused.err.splitlines()) == 1
    assert not out.exists()
