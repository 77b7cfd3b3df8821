"""Detection sets are known as such and explained; folders of classes are not taken for them."""

from pathlib import Path

import pytest
from pictures import class_folders, picture

from convsmith.data.sources.detect import read_source
from convsmith.doctor.inspection import inspect
from convsmith.errors import DataError
from published_trees import text


def voc(root: Path) -> Path:
    picture(root / "JPEGImages/000005.jpg")
    text(root / "Annotations/000005.xml", "<annotation><object><name>chair</name></object></annotation>")
    return root


def yolo(root: Path) -> Path:
    picture(root / "images/train/a.jpg")
    text(root / "labels/train/a.txt", "0 0.5 0.5 0.25 0.125", "3 0.1 0.2 0.05 0.05")
    return root


def roboflow(root: Path) -> Path:
    picture(root / "train/images/a.jpg")
    text(root / "train/labels/a.txt", "2 0.51 0.5 0.2 1")
    return root


def coco(root: Path) -> Path:
    picture(root / "val2017/000000000139.jpg")
    text(root / "annotations/instances_val2017.json", '{"images": [], "annotations": []}')
    return root


@pytest.mark.parametrize(("make", "kind"), [(voc, "Pascal VOC"), (yolo, "YOLO"), (roboflow, "YOLO"), (coco, "COCO")])
def test_the_line_says_what_it_is_and_what_to_do(tmp_path: Path, make, kind: str) -> None:
    root = make(tmp_path / "set")
    for place in (root, tmp_path):
        with pytest.raises(DataError) as error:
            read_source(place)
        assert f"has detection labels ({kind}); convsmith classifies: crop the boxes" in str(error.value)
        assert "\n" not in str(error.value)


def test_inspect_looks_at_the_images_all_the_same(tmp_path: Path) -> None:
    root = voc(tmp_path)
    picture(root / "JPEGImages/000006.jpg", (1, 2, 3))
    assert "has detection labels" in str(inspect(root))


def test_classes_called_images_and_labels_are_no_detection(tmp_path: Path) -> None:
    root = class_folders(tmp_path, {"images": 2, "labels": 2})
    text(root / "labels/note.txt", "taken in 2019")
    assert read_source(root).classes == ("images", "labels")
