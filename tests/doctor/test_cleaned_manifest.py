"""Cleaned manifests: what is left out, what is written, and what is refused before anything is."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convsmith import inspect, open_dataset
from convsmith.doctor.inspection import Inspection
from convsmith.doctor.manifest import write_manifest
from convsmith.errors import DataError, UnknownNameError, UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes in train and test: one leak, one duplicate, one contradiction, one broken file."""
    root = tmp_path_factory.mktemp("data") / "pets"
    for part, count in (("train", 8), ("test", 4)):
        for label in ("cat", "dog"):
            (root / part / label).mkdir(parents=True)
            for number in range(count):
                seed = [len(part), len(label), ord(label[0]), number]
                pixels = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8)
                Image.fromarray(pixels).save(root / part / label / f"{number}.png")
    shutil.copy(root / "test/cat/0.png", root / "train/cat/leak.png")
    shutil.copy(root / "train/cat/1.png", root / "train/cat/again.png")
    shutil.copy(root / "train/cat/2.png", root / "train/dog/two.png")
    (root / "train/dog/broken.png").write_bytes(b"broken")
    return root


@pytest.fixture(scope="module")
def inspection(folder: Path) -> Inspection:
    return inspect(folder)


def test_a_cleaned_manifest_lists_what_is_sound(folder: Path, inspection: Inspection) -> None:
    out = folder.parent / "clean.csv"
    before = sorted(folder.rglob("*"))
    cleaned = write_manifest(inspection, out)
    assert cleaned.dropped == {"contradiction": 2, "duplicate": 1, "leak": 1, "unreadable": 1}
    assert sorted(folder.rglob("*")) == before
    read = open_dataset(out)
    assert {name: len(split) for name, split in read.splits.items()} == {"train": 13, "val": 2, "test": 8}


def test_what_was_cleaned_has_nothing_left_to_clean(folder: Path, inspection: Inspection) -> None:
    out = folder.parent / "twice.csv"
    write_manifest(inspection, out)
    again = inspect(out)
    assert not {issue.code for issue in again.issues} & {"leak", "duplicate", "contradiction", "unreadable"}


def test_images_of_other_issues_are_left_out_when_that_is_asked_for(folder: Path, inspection: Inspection) -> None:
    wrong = inspection.issue("wrong-label")
    rows = set() if wrong is None else {example.row for example in wrong.examples}
    plain = write_manifest(inspection, folder.parent / "plain.csv")
    less = write_manifest(inspection, folder.parent / "less.csv", drop=("wrong-label", "near-duplicate"))
    assert plain.kept - len(rows) <= less.kept <= plain.kept


def test_made_splits_stay_as_they_were(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "test", tmp_path / "pets")
    found = inspect(tmp_path / "pets", seed=4)
    write_manifest(found, tmp_path / "clean.csv")
    read = open_dataset(tmp_path / "clean.csv")
    assert read.made_splits == ()
    assert {name: len(split) for name, split in read.splits.items()} == {"train": 4, "val": 2, "test": 2}


@pytest.mark.parametrize("name", ["clean.txt", "clean"])
def test_only_a_csv_file_is_written(inspection: Inspection, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"a \.csv file"):
        write_manifest(inspection, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_that_was_read_is_not_written_over(folder: Path, inspection: Inspection) -> None:
    out = folder.parent / "own.csv"
    write_manifest(inspection, out)
    written = out.read_bytes()
    with pytest.raises(UsageError, match="what the data were read from"):
        write_manifest(inspect(out), out)
    assert out.read_bytes() == written


def test_an_unknown_issue_is_refused(inspection: Inspection, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown issue 'wrong-labels'; nearest: wrong-label"):
        write_manifest(inspection, tmp_path / "clean.csv", drop=("wrong-labels",))


def test_a_class_is_not_emptied(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "pets")
    shutil.rmtree(tmp_path / "pets/train/dog")
    (tmp_path / "pets/train/dog").mkdir()
    shutil.copy(folder / "test/dog/0.png", tmp_path / "pets/train/dog/only.png")
    with pytest.raises(DataError, match="class 'dog' has none in train"):
        write_manifest(inspect(tmp_path / "pets"), tmp_path / "clean.csv")
    assert not (tmp_path / "clean.csv").exists()


def test_images_that_are_no_files_have_no_manifest(tmp_path: Path) -> None:
    from convsmith import Dataset

    images = np.random.default_rng(0).integers(0, 256, (20, 16, 16), np.uint8)
    found = inspect(Dataset.from_arrays(images, np.arange(20) % 2))
    with pytest.raises(DataError, match="not files of their own"):
        write_manifest(found, tmp_path / "clean.csv")


def test_small_files_that_were_brought_into_memory_are_listed(folder: Path, tmp_path: Path) -> None:
    found = inspect(open_dataset(folder))
    assert write_manifest(found, tmp_path / "clean.csv").kept == 23
    assert len(open_dataset(tmp_path / "clean.csv").split("test")) == 8
