"""CUB-200-2011: lists of ids that must agree."""

from pathlib import Path

import pytest

from convsmith.data import open_dataset
from convsmith.data.sources.detect import read_source
from convsmith.errors import DataError
from published_trees import cub, text


def test_ids_lead_to_paths_labels_and_splits(tmp_path: Path) -> None:
    root = cub(tmp_path / "CUB_200_2011")
    listing = read_source(tmp_path)  # as the archive unpacks, beside attributes.txt
    assert listing.classes == ("Black footed Albatross", "Laysan Albatross")
    assert {split: len(rows) for split, rows in listing.rows.items()} == {"train": 8, "test": 4}
    assert listing.root == root
    tested = [listing.images.name(row)[-10:] for row in listing.rows["test"].tolist()]
    assert tested == ["0003_3.jpg", "0006_6.jpg", "0003_3.jpg", "0006_6.jpg"]


def test_nabirds_ids_are_text_and_its_groups_have_no_images(tmp_path: Path) -> None:
    root = cub(tmp_path)
    for name in ("images.txt", "image_class_labels.txt", "train_test_split.txt"):
        lines = [line.split(" ", 1) for line in (root / name).read_text().splitlines()]
        text(root / name, *(f"{int(key):08x}-139e {value}" for key, value in lines))
    text(root / "classes.txt", "0 Birds", "1 Common Eider", "2 Oak Titmouse (Adult)")
    assert read_source(root).classes == ("Common Eider", "Oak Titmouse (Adult)")


@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [
        ("image_class_labels.txt", ["1 1"], r"image_class_labels\.txt has no line for image 2 \(images/001"),
        ("train_test_split.txt", ["1 1"], r"train_test_split\.txt has no line for image 2"),
        ("classes.txt", ["1 001.A"], "image 7 has the class 2, which classes.txt does not have"),
        ("train_test_split.txt", ["1 train"], "image 1 has 'train'; expected 1"),
        ("images.txt", ["1"], r"images\.txt: line 1 is '1'; expected an image's id and its path"),
        ("classes.txt", ["1 A", "1 B"], "line 2 contradicts an earlier line for 1"),
    ],
)
def test_lists_that_do_not_agree_are_named(tmp_path: Path, name: str, lines: list[str], said: str) -> None:
    root = cub(tmp_path)
    kept = (root / name).read_text().splitlines()[1:] if lines == ["1 train"] else []
    text(root / name, *lines, *kept)
    with pytest.raises(DataError, match=said):
        read_source(root)


def test_a_label_for_no_image_and_a_missing_list_are_named(tmp_path: Path) -> None:
    root = cub(tmp_path)
    with (root / "image_class_labels.txt").open("a") as file:
        file.write("99 1\n")
    with pytest.raises(DataError, match=r"image 99 is not in images\.txt"):
        read_source(root)
    (root / "classes.txt").unlink()
    with pytest.raises(DataError, match=r"classes\.txt is missing"):
        read_source(root)


def test_a_missing_image_is_left_out_and_named(tmp_path: Path) -> None:
    root = cub(tmp_path)
    gone = next((root / "images").glob("*/*_0001_1.jpg"))
    gone.unlink()
    assert [finding.subject for finding in open_dataset(root).skipped] == [str(gone)]
