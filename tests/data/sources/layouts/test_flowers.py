"""Oxford Flowers-102: ids that count from 1, three published splits, names of the classes."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from convsmith.data import open_dataset
from convsmith.data.sources.detect import read_source
from convsmith.errors import DataError
from published_trees import flowers


def test_ids_count_from_one_and_the_splits_are_as_published(tmp_path: Path) -> None:
    listing = read_source(flowers(tmp_path))
    assert listing.classes == ("pink primrose", "hard-leaved pocket orchid", "canterbury bells")
    names = {split: [listing.images.name(row)[-15:] for row in rows.tolist()] for split, rows in listing.rows.items()}
    assert names["train"] == ["image_00001.jpg", "image_00002.jpg", "image_00003.jpg"]
    assert names["val"] == ["image_00004.jpg", "image_00005.jpg", "image_00006.jpg"]
    assert len(names["test"]) == 6
    assert listing.labels.tolist() == [0, 1, 2] * 4


def test_no_split_is_made(tmp_path: Path) -> None:
    data = open_dataset(flowers(tmp_path))
    assert data.made_splits == ()
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 3, "val": 3, "test": 6}


def ids(**changed: list[int]) -> dict[str, np.ndarray]:
    usual = {"trnid": [1, 2, 3], "valid": [4, 5, 6], "tstid": [7, 8, 9]}
    return {name: np.array([values], np.uint16) for name, values in (usual | changed).items()}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (ids(tstid=[7, 8, 13]), "tstid has the id 13; imagelabels.mat has labels for 1 to 12"),
        (ids(trnid=[0, 1, 2]), "trnid has the id 0"),
        ({"trnid": np.array([[1]])}, "setid.mat has no variable valid; it has: trnid"),
    ],
)
def test_ids_outside_the_labels_are_refused(tmp_path: Path, content: dict, said: str) -> None:
    root = flowers(tmp_path)
    savemat(root / "setid.mat", content)
    with pytest.raises(DataError, match=said):
        read_source(root)


def test_labels_beyond_the_102_are_refused(tmp_path: Path) -> None:
    root = flowers(tmp_path)
    savemat(root / "imagelabels.mat", {"labels": np.array([[1, 2, 103]], np.uint8)})
    with pytest.raises(DataError, match="label 103 is not from 1 to 102"):
        read_source(root)


def test_images_beyond_the_splits_are_counted_and_missing_ones_named(tmp_path: Path) -> None:
    root = flowers(tmp_path, each=5)
    savemat(root / "setid.mat", ids(tstid=[7, 8, 9, 10, 11, 12]))
    assert any("3 images are in none of the lists" in str(note) for note in read_source(root).notes)
    (root / "jpg/image_00012.jpg").unlink()
    assert [finding.subject[-15:] for finding in open_dataset(root).skipped] == ["image_00012.jpg"]


def test_without_the_published_splits_nothing_is_made_up(tmp_path: Path) -> None:
    root = flowers(tmp_path)
    (root / "setid.mat").unlink()
    with pytest.raises(DataError, match=r"setid\.mat is missing"):
        read_source(root)
