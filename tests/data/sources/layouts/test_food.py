"""Food-101: lists without endings, names beside the folders'."""

from pathlib import Path

import pytest

from convsmith.data import open_dataset
from convsmith.data.sources.detect import read_source
from convsmith.errors import DataError
from published_trees import food, text


def test_lists_lack_the_ending_and_names_have_blanks(tmp_path: Path) -> None:
    listing = read_source(food(tmp_path))
    assert listing.classes == ("Apple pie", "Beef tartare")
    assert {split: len(rows) for split, rows in listing.rows.items()} == {"train": 8, "test": 4}
    assert listing.images.name(0) == str(tmp_path / "images/apple_pie/1000.jpg")
    assert open_dataset(tmp_path).skipped == ()


def test_without_labels_the_folders_name_the_classes(tmp_path: Path) -> None:
    root = food(tmp_path)
    (root / "meta/labels.txt").unlink()
    assert read_source(root).classes == ("apple pie", "beef tartare")


@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [
        ("train.txt", ["1005649"], r"train\.txt: line 1 is '1005649'; expected a class and an image"),
        ("train.txt", ["pho/1"], "the lists have the class pho, which classes.txt does not have"),
        ("labels.txt", ["Apple pie"], r"labels\.txt has 1 names for 2 classes"),
        ("labels.txt", ["Pie", "Pie"], "two of its classes are called 'Pie'"),
    ],
)
def test_lists_that_are_wrong_are_named(tmp_path: Path, name: str, lines: list[str], said: str) -> None:
    root = food(tmp_path)
    text(root / "meta" / name, *lines)
    with pytest.raises(DataError, match=said):
        read_source(root)


def test_both_lists_are_needed(tmp_path: Path) -> None:
    root = food(tmp_path)
    (root / "meta/test.txt").unlink()
    with pytest.raises(DataError, match=r"test\.txt is missing"):
        read_source(root)
