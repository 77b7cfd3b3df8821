"""Stanford Dogs: the published split, ImageNet's names, and what may be wrong with its lists."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from convsmith.data import open_dataset
from convsmith.data.sources.detect import read_source
from convsmith.errors import DataError
from published_trees import BREEDS, cells, dogs


def files(listing, split: str) -> list[str]:
    return [listing.images.name(row).removeprefix(f"{listing.root}/") for row in listing.rows[split].tolist()]


@pytest.mark.parametrize("lists", ["lists", "."])
def test_the_lists_make_the_splits_wherever_they_were_unpacked(tmp_path: Path, lists: str) -> None:
    listing = read_source(dogs(tmp_path, lists=lists))
    assert files(listing, "train")[:2] == [f"Images/{BREEDS[0]}/n02085620_{i}.jpg" for i in (0, 1)]
    assert {split: len(rows) for split, rows in listing.rows.items()} == {"train": 12, "test": 6}
    assert "read as Stanford Dogs; train and test as published" in str(listing.notes[0])


def test_classes_are_called_as_imagenets(tmp_path: Path) -> None:
    assert read_source(dogs(tmp_path)).classes == ("Chihuahua", "Japanese spaniel", "Pekinese")


def test_a_data_set_opens_with_val_made_out_of_train(tmp_path: Path) -> None:
    data = open_dataset(dogs(tmp_path))
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 9, "val": 3, "test": 6}
    assert data.made_splits == ("val",)


def test_without_lists_all_images_are_there_without_splits(tmp_path: Path) -> None:
    root = dogs(tmp_path)
    for path in (root / "lists").iterdir():
        path.unlink()
    listing = read_source(root)
    assert len(listing.rows["train"]) == 18
    assert listing.rows.keys() == {"train"}
    assert "so it has no splits" in str(listing.notes[0])


def test_a_listed_file_that_is_missing_is_named_and_the_others_are_used(tmp_path: Path) -> None:
    root = dogs(tmp_path)
    gone = root / f"Images/{BREEDS[1]}/n02085782_101.jpg"
    gone.unlink()
    data = open_dataset(root)
    assert [finding.subject for finding in data.skipped] == [str(gone)]
    assert sum(map(len, data.splits.values())) == 17


def test_images_in_no_list_are_counted(tmp_path: Path) -> None:
    root = dogs(tmp_path)
    (root / f"Images/{BREEDS[0]}/n02085620_0.jpg").rename(root / f"Images/{BREEDS[0]}/n02085620_77.jpg")
    assert any("1 image is in none of the lists, such as" in str(note) for note in read_source(root).notes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": np.array([[1.0]])}, "train_list.mat has 2 files and 1 labels"),
        ({"labels": np.array([[1.0], [1.0]])}, "label 1 is both n02085620-Chihuahua and n02085782-Japanese_spaniel"),
        ({"labels": np.array([[1.5], [2.0]])}, "labels is float64 (2,); expected a vector of whole numbers"),
        ({"file_list": np.array([1.0, 2.0])}, "file_list is not a cell array of strings"),
        ({"file_list": cells(["loose.jpg", "a/b.jpg"])}, "is not in a folder like n02085620-Chihuahua"),
    ],
)
def test_lists_that_contradict_themselves_are_refused_in_a_line(tmp_path: Path, change: dict, said: str) -> None:
    root = dogs(tmp_path)
    content = {
        "file_list": cells([f"{BREEDS[0]}/n02085620_0.jpg", f"{BREEDS[1]}/n02085782_100.jpg"]),
        "labels": np.array([[1.0], [2.0]]),
    }
    savemat(root / "lists/train_list.mat", content | change)
    with pytest.raises(DataError) as error:
        read_source(root)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_one_list_alone_is_not_the_published_split(tmp_path: Path) -> None:
    root = dogs(tmp_path)
    (root / "lists/test_list.mat").unlink()
    with pytest.raises(DataError, match=r"test_list\.mat is missing"):
        read_source(root)


def test_an_image_in_both_lists_is_left_out_and_said(tmp_path: Path) -> None:
    root = dogs(tmp_path)
    listed = [f"{BREEDS[0]}/n02085620_0.jpg", f"{BREEDS[1]}/n02085782_104.jpg", f"{BREEDS[2]}/n02086079_204.jpg"]
    savemat(root / "lists/test_list.mat", {"file_list": cells(listed), "labels": np.array([[1.0], [2.0], [3.0]])})
    listing = read_source(root)
    assert [str(finding).partition(": ")[2] for finding in listing.findings] == [
        "its lists put it into the splits train and test; not used"
    ]
    assert len(listing.rows["test"]) == 2
