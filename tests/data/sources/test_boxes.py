"""The boxes of Stanford Dogs and CUB, and shards of what is in them."""

from pathlib import Path

import numpy as np
import pytest

from convsmith.data import open_dataset
from convsmith.data.decode.image import Box
from convsmith.data.sources.boxes import boxes_of
from convsmith.data.sources.detect import read_source
from convsmith.data.sources.shards import pack
from convsmith.errors import DataError, UsageError
from published_trees import BREEDS, cub, dogs, food, text

FIRST = f"Annotation/{BREEDS[0]}/n02085620_0"


def test_dogs_boxes_are_those_of_their_annotations(tmp_path: Path) -> None:
    listing = read_source(dogs(tmp_path))
    assert boxes_of(listing)[:2] == [Box(10, 5, 25, 20), Box(10, 5, 25, 21)]


def test_of_several_dogs_the_largest_counts(tmp_path: Path) -> None:
    root = dogs(tmp_path)
    boxes = [
        "<xmin>0</xmin><ymin>0</ymin><xmax>9</xmax><ymax>9</ymax>",
        "<xmin>3</xmin><ymin>4</ymin><xmax>40</xmax><ymax>30</ymax>",
    ]
    objects = "".join(f"<object><name>dog</name><bndbox>{box}</bndbox></object>" for box in boxes)
    text(root / FIRST, f"<annotation>{objects}</annotation>")
    assert boxes_of(read_source(root))[0] == Box(4, 3, 26, 37)


def test_birds_boxes_are_left_top_width_height(tmp_path: Path) -> None:
    boxes = boxes_of(read_source(cub(tmp_path)))
    assert boxes[:2] == [Box(5, 10, 21, 20), Box(5, 10, 22, 20)]


@pytest.mark.parametrize("tree", [dogs, cub])
def test_shards_of_boxes_hold_what_is_in_them_with_the_same_splits(tmp_path: Path, tree) -> None:
    listing = read_source(tree(tmp_path / "set"))
    boxes = boxes_of(listing)
    pack(listing, tmp_path / "shards", boxes=boxes)
    packed = read_source(tmp_path / "shards")
    assert packed.classes == listing.classes
    for split, rows in listing.rows.items():
        for own, row in zip(packed.rows[split].tolist(), rows.tolist(), strict=True):
            box, whole = boxes[row], listing.images[row]
            part = whole[box.top : box.top + box.height, box.left : box.left + box.width]
            assert np.array_equal(packed.images[own], part)
    assert len(open_dataset(tmp_path / "shards").classes) == len(listing.classes)


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><annotation>&c;</annotation>'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (BOMB, "it is too long, or declares a document type"),
        ("<annotation>", "cannot be read as an annotation"),
        ("<annotation></annotation>", "has no box"),
        ("<a><bndbox><xmin>1</xmin></bndbox></a>", "cannot be read as an annotation: could not convert"),
        ("<a><bndbox><xmin>9</xmin><ymin>1</ymin><xmax>5</xmax><ymax>8</ymax></bndbox></a>", "is not a box"),
        ("<a><bndbox><xmin>nan</xmin><ymin>1</ymin><xmax>5</xmax><ymax>8</ymax></bndbox></a>", "is not a box"),
    ],
)
def test_annotations_that_are_wrong_are_named(tmp_path: Path, content: str, said: str) -> None:
    root = dogs(tmp_path)
    text(root / FIRST, content)
    with pytest.raises(DataError, match=said) as error:
        boxes_of(read_source(root))
    assert "n02085620_0" in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_boxes_and_boxes_outside_of_the_image_are_named_before_anything_is_written(tmp_path: Path) -> None:
    root = cub(tmp_path / "set")
    lines = (root / "bounding_boxes.txt").read_text().splitlines()
    text(root / "bounding_boxes.txt", "1 500.0 5.0 20.0 20.0", *lines[1:])
    listing = read_source(root)
    with pytest.raises(DataError, match="its box begins at 500, 5, outside of its 50x40 pixels"):
        pack(listing, tmp_path / "out", boxes=boxes_of(listing))
    assert not (tmp_path / "out").exists()
    text(root / "bounding_boxes.txt", *lines[1:])
    with pytest.raises(DataError, match=r"bounding_boxes\.txt has no line for images/001"):
        boxes_of(listing)
    (dogs(tmp_path / "dogs") / FIRST).unlink()
    with pytest.raises(DataError, match="n02085620_0 cannot be read"):
        boxes_of(read_source(tmp_path / "dogs"))


def test_data_sets_without_boxes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no boxes; Stanford Dogs and CUB-200-2011 have them"):
        boxes_of(read_source(food(tmp_path)))
