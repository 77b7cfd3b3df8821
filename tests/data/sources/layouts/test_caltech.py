"""Caltech-101 and 256: their backgrounds are said, their names read, no split is claimed."""

from pathlib import Path

from convsmith.data import open_dataset
from convsmith.data.sources.detect import read_source
from published_trees import caltech101, caltech256


def test_101_leaves_its_background_out_and_says_so(tmp_path: Path) -> None:
    listing = read_source(caltech101(tmp_path))
    assert listing.classes == ("Faces", "Faces easy", "water lilly")
    assert len(listing.labels) == 15
    told = "\n".join(map(str, listing.notes))
    assert "101_ObjectCategories is read in its place" in told
    assert "BACKGROUND_Google: background, not a class: its 5 images are not used" in told
    assert "it has no published splits" in told


def test_256_is_in_the_order_of_its_numbers_without_them(tmp_path: Path) -> None:
    listing = read_source(caltech256(tmp_path) / "256_ObjectCategories")
    assert listing.classes == ("ak47", "american-flag", "airplanes")
    told = "\n".join(map(str, listing.notes))
    assert "257.clutter: background, not a class: its 5 images are not used" in told
    assert "1 file is not an image and was passed over (1 without a suffix)" in told


def test_splits_are_made_by_seed(tmp_path: Path) -> None:
    data = open_dataset(caltech256(tmp_path))
    assert data.made_splits == ("val", "test")
    assert data.splits["train"].images.name(0).startswith(str(tmp_path / "256_ObjectCategories/001.ak47"))
