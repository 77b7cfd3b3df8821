"""A folder with all of the faults at once is opened, and each is named; `strict` refuses it and names each too."""

from __future__ import annotations

from pathlib import Path

import pytest

from convsmith.data import open_dataset
from convsmith.data.unlabelled import gather
from convsmith.errors import DataError
from faults import LEFT_OUT, NOTED, USED, faulty_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return faulty_folder(tmp_path / "pets")


def test_every_fault_is_named_and_the_rest_is_used(folder: Path) -> None:
    dataset = open_dataset(folder)
    assert dataset.classes == ("cat", "dog")
    assert sum(map(len, dataset.splits.values())) == 50 + len(NOTED) + len(USED)
    skipped, notes = "\n".join(map(str, dataset.skipped)), "\n".join(map(str, dataset.notes))
    for name, (_, reason) in LEFT_OUT.items():
        assert f"{folder / 'cat' / name}: {reason}" in skipped
    for name, (_, reason) in NOTED.items():
        assert f"{folder / 'cat' / name}: " in notes
        assert reason in notes
    assert f"{folder / 'cow'}: holds no images" in skipped
    assert f"{folder / 'loose.png'}: not in a class folder" in skipped
    assert f"{folder / 'loop'}: a link to a folder that it lies in" in skipped
    assert f"{folder / 'runs'}: runs of convsmith; not used" in notes
    assert "3 files are not images and were passed over (1 .json, 1 .safetensors, 1 .txt)" in notes
    assert dataset.unusable == len(LEFT_OUT)


def test_strict_names_every_fault_that_leaves_something_out(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_dataset(folder, strict=True)
    for name in (*LEFT_OUT, "cow", "loose.png", "loop"):
        assert name in str(caught.value)
    assert caught.value.settings == ("strict",)


def test_predict_takes_what_fit_takes(folder: Path) -> None:
    (folder / "loose.png").unlink()
    (folder / "loop").unlink()
    dataset, images = open_dataset(folder), gather([folder])
    trained = {split.images.name(row) for split in dataset.splits.values() for row in range(len(split))}
    trained |= {finding.subject for finding in dataset.skipped if "holds no images" not in finding.reason}
    assert {images.name(row) for row in range(len(images))} == trained
    lines = [str(finding) for finding in images.findings]
    assert any("3 files are not images and were passed over" in line for line in lines)
    assert any("runs of convsmith; not used" in line for line in lines)
