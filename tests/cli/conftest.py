from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command import Command, Outcome

from convsmith.cli.main import main


@pytest.fixture
def convsmith(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command line in this process, through its entry point."""

    def run(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["convsmith", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def trained(photo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run on the photographs, to be read only."""
    from convsmith import Request, fit

    out = tmp_path_factory.mktemp("runs") / "trained"
    fit(photo_folder, "lenet5", Request(side=32, epochs=2, precision="float32"), out=out)
    return out
