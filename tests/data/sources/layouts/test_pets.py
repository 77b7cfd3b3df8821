"""Oxford-IIIT Pets: lists of four columns, comments, classes called by their images."""

from pathlib import Path

import pytest

from convsmith.data import open_dataset
from convsmith.data.sources.detect import read_source
from convsmith.errors import DataError
from published_trees import pets, text


def test_trainval_is_train_and_breeds_are_read_off_the_images(tmp_path: Path) -> None:
    listing = read_source(pets(tmp_path))
    assert listing.classes == ("Abyssinian", "great pyrenees", "yorkshire terrier")
    assert {split: len(rows) for split, rows in listing.rows.items()} == {"train": 9, "test": 6}
    assert listing.labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5


def test_comments_are_no_images(tmp_path: Path) -> None:
    root = pets(tmp_path)
    path = root / "annotations/test.txt"
    text(path, "#Image CLASS-ID SPECIES BREED ID", *path.read_text().splitlines())
    assert len(read_source(root).rows["test"]) == 6


def test_the_order_of_classes_is_that_of_their_ids(tmp_path: Path) -> None:
    root = pets(tmp_path)
    for name in ("trainval", "test"):
        path = root / f"annotations/{name}.txt"
        path.write_text(path.read_text().replace(" 1 1 1", " 37 1 1"))
    assert read_source(root).classes == ("great pyrenees", "yorkshire terrier", "Abyssinian")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Abyssinian_9 1 1", r"test\.txt: line 1 is 'Abyssinian_9 1 1'; expected an image, its class"),
        ("Abyssinian_9 one 1 1", "has 'one' for the class; expected a whole number"),
        ("pug_9 1 1 1", "pug_9 has class 1, which is Abyssinian elsewhere"),
        ("9 1 1 1", "9 has no breed in its name"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, line: str, said: str) -> None:
    root = pets(tmp_path)
    text(root / "annotations/test.txt", line)
    with pytest.raises(DataError, match=said):
        read_source(root)


def test_a_missing_list_or_image_is_named(tmp_path: Path) -> None:
    root = pets(tmp_path)
    (root / "images/Abyssinian_1.jpg").unlink()
    assert [finding.subject for finding in open_dataset(root).skipped] == [str(root / "images/Abyssinian_1.jpg")]
    (root / "annotations/trainval.txt").unlink()
    with pytest.raises(DataError, match=r"trainval\.txt is missing"):
        read_source(root)
