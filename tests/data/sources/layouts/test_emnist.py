"""EMNIST: images turned upright, classes called by their characters, one set at a time."""

from pathlib import Path

import pytest

from convsmith.data import open_dataset
from convsmith.data.sources.detect import read_source
from convsmith.errors import DataError
from published_trees import emnist, text


@pytest.mark.parametrize("word", ["", "emnist-balanced", "emnist-balanced-"])
def test_images_are_turned_upright_however_the_set_is_named(tmp_path: Path, word: str) -> None:
    emnist(tmp_path)
    listing = read_source(tmp_path / word)
    assert (listing.images[4][0] == 255).all()  # the upper row
    assert not (listing.images[4][:, 0] == 255).all()
    assert listing.classes == ("A", "B", "C")
    assert listing.name == "emnist-balanced"
    assert {split: len(rows) for split, rows in listing.rows.items()} == {"train": 18, "test": 6}


def test_letters_count_from_one_and_are_both_capital_and_small(tmp_path: Path) -> None:
    emnist(tmp_path, "letters", first=1)
    data = open_dataset(tmp_path)
    assert data.classes == ("Aa", "Bb", "Cc")
    assert sorted(set(data.splits["test"].labels.tolist())) == [0, 1, 2]


def test_of_several_sets_one_is_to_be_named(tmp_path: Path) -> None:
    emnist(tmp_path, "letters", first=1)
    emnist(tmp_path, "digits")
    with pytest.raises(
        DataError, match=r"several sets: emnist-digits, emnist-letters; give one of them, such as .*digits"
    ):
        read_source(tmp_path)
    assert read_source(tmp_path / "emnist-letters").classes[0] == "Aa"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 48", "has no line for the label 1"),
        ("0 9999", "has the codes 9999, which are not characters"),
        ("0 A", "has 'A' for a character; expected a whole number"),
        ("0", "line 1 is '0'; expected a label and the code"),
    ],
)
def test_a_mapping_that_is_wrong_is_named(tmp_path: Path, line: str, said: str) -> None:
    text(emnist(tmp_path) / "emnist-balanced-mapping.txt", line)
    with pytest.raises(DataError, match=said):
        read_source(tmp_path)


def test_without_a_mapping_labels_are_numbers_and_mnist_is_not_turned(tmp_path: Path) -> None:
    root = emnist(tmp_path)
    (root / "emnist-balanced-mapping.txt").unlink()
    assert read_source(root).classes == ("0", "1", "2")
    for path in list(root.iterdir()):
        path.rename(root / path.name.removeprefix("emnist-balanced-").replace("test", "t10k"))
    assert (read_source(root).images[4][:, 0] == 255).all()


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    path = emnist(tmp_path) / "emnist-balanced-test-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(DataError, match=r"labels-idx1-ubyte\.gz cannot be read as IDX"):
        read_source(tmp_path)
