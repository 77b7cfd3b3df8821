from __future__ import annotations

import json
from pathlib import Path

import fake_device
import pytest

from convsmith.devices import DeviceTable
from convsmith.devices.measure.session import import_file


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of tables, instead of the user's own."""
    folder = tmp_path / "user-data"
    monkeypatch.setattr("platformdirs.user_data_path", lambda name: folder / name)
    return folder / "convsmith" / "devices"


@pytest.fixture(scope="session")
def timings_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("timings") / "board.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in fake_device.lines()))
    return path


@pytest.fixture(scope="session")
def table(timings_file: Path, tmp_path_factory: pytest.TempPathFactory) -> DeviceTable:
    """The table of the fake device."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("platformdirs.user_data_path", lambda name: folder / name)
        return import_file(timings_file, None)
