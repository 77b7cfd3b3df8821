"""Tiny ImageNet: val's annotations, names by WordNet id, a test split without labels."""

from pathlib import Path

import pytest

from convsmith.data import open_dataset
from convsmith.data.sources.detect import read_source
from convsmith.errors import DataError
from published_trees import TINY, text, tiny_imagenet


def test_val_is_labelled_by_its_annotations_and_test_is_said_to_have_no_labels(tmp_path: Path) -> None:
    listing = read_source(tiny_imagenet(tmp_path))
    assert listing.classes == ("goldfish", "Egyptian cat", "acorn")
    assert {split: len(rows) for split, rows in listing.rows.items()} == {"train": 9, "val": 6}
    val = listing.rows["val"].tolist()
    assert [listing.labels[row] for row in val] == [0, 0, 1, 1, 2, 2]
    assert [str(finding).rpartition(": ")[2] for finding in listing.findings] == [
        "the test images' labels are not published; not used"
    ]


def test_it_opens_with_the_splits_that_it_has(tmp_path: Path) -> None:
    data = open_dataset(tiny_imagenet(tmp_path))
    assert list(data.splits) == ["train", "val"]
    assert data.made_splits == ()


def test_words_name_what_imagenet_does_not_have_and_ids_do_without_them(tmp_path: Path) -> None:
    root = tiny_imagenet(tmp_path)
    known = read_source(root).classes[:2]
    (root / "words.txt").unlink()
    assert read_source(root).classes[:2] == known
    assert read_source(root).classes[2] in ("acorn", TINY[2])


@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [
        ("wnids.txt", ["goldfish"], r"wnids\.txt has 'goldfish'; expected WordNet ids"),
        ("val/val_annotations.txt", ["val_0.JPEG\tn00000001\t0"], "has the class n00000001, which wnids.txt does not"),
        ("val/val_annotations.txt", ["val_0.JPEG"], "line 1 is 'val_0.JPEG'; expected an image"),
    ],
)
def test_lists_that_are_wrong_are_named(tmp_path: Path, name: str, lines: list[str], said: str) -> None:
    root = tiny_imagenet(tmp_path)
    text(root / name, *lines)
    with pytest.raises(DataError, match=said):
        read_source(root)


def test_a_class_that_is_not_listed_is_left_out_and_val_needs_its_labels(tmp_path: Path) -> None:
    root = tiny_imagenet(tmp_path)
    (root / "train/n01443537").rename(root / "train/n00000001")
    assert any("its class is not in wnids.txt" in str(finding) for finding in read_source(root).findings)
    (root / "val/val_annotations.txt").unlink()
    with pytest.raises(DataError, match="the images of val have no labels without it"):
        read_source(root)


def test_val_may_have_been_sorted_into_folders_of_classes(tmp_path: Path) -> None:
    root = tiny_imagenet(tmp_path)
    for line in (root / "val/val_annotations.txt").read_text().splitlines():
        name, wnid = line.split("\t")[:2]
        (root / f"val/{wnid}").mkdir(exist_ok=True)
        (root / f"val/images/{name}").rename(root / f"val/{wnid}/{name}")
    (root / "val/val_annotations.txt").unlink()
    listing = read_source(root)
    assert [listing.labels[row] for row in listing.rows["val"].tolist()] == [0, 0, 1, 1, 2, 2]
