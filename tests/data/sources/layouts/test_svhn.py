"""SVHN's cropped digits: label 10 is 0, images lie along the last dimension."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from convsmith.data import open_dataset
from convsmith.data.sources.detect import read_source
from convsmith.errors import DataError
from published_trees import svhn


def test_label_ten_is_the_digit_zero(tmp_path: Path) -> None:
    listing = read_source(svhn(tmp_path))
    assert listing.classes == tuple("0123456789")
    assert listing.labels[:10].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert listing.images[9][0, 17].tolist() == [10, 10, 10]  # its first row holds the label as published
    assert {split: len(rows) for split, rows in listing.rows.items()} == {"train": 30, "test": 20}


def test_the_extra_images_are_train_and_said(tmp_path: Path) -> None:
    listing = read_source(svhn(tmp_path, extra=True))
    assert {split: len(rows) for split, rows in listing.rows.items()} == {"train": 50, "test": 20}
    assert any("its 20 images are part of train" in str(note) for note in listing.notes)


def test_a_single_image_has_no_last_dimension(tmp_path: Path) -> None:
    root = svhn(tmp_path)
    savemat(root / "test_32x32.mat", {"X": np.zeros((32, 32, 3), np.uint8), "y": np.array([[10]], np.uint8)})
    listing = read_source(root)
    assert listing.labels[listing.rows["test"]].tolist() == [0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[1], [11]])}, "label 11 is not from 1 to 10"),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[1]])}, "has 2 images and 1 labels"),
        ({"X": np.zeros((2, 32, 32, 3), np.uint8), "y": np.array([[1], [2]])}, "expected uint8"),
        ({"X": np.zeros((32, 32, 3, 2)), "y": np.array([[1], [2]])}, "X is float64"),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8)}, "has no variable y; it has: X"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, content: dict, said: str) -> None:
    savemat(svhn(tmp_path) / "train_32x32.mat", content)
    with pytest.raises(DataError, match=said):
        read_source(tmp_path)


def test_whole_house_numbers_are_said_to_be_detection(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train/digitStruct.mat").write_bytes(b"MATLAB 7.3 MAT-file")
    with pytest.raises(DataError, match="whole house numbers, with boxes; convsmith classifies: take train_32x32"):
        read_source(tmp_path)


def test_it_opens(tmp_path: Path) -> None:
    data = open_dataset(svhn(tmp_path))
    assert (data.channels, data.size) == (3, (32, 32))
