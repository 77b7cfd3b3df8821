"""Folders of loose images with a table: of Kaggle, Roboflow, the Hugging Face hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pictures import class_folders, picture

from convsmith.data.sources.detect import read_source
from convsmith.errors import DataError

NAMES = [f"{number:02}.png" for number in range(6)]


def loose(folder: Path) -> Path:
    for name in NAMES:
        picture(folder / name)
    return folder


def csv(path: Path, header: str, row: str = "{name},{label}") -> None:
    lines = [
        row.format(name=name, stem=name[:2], label="ab"[i % 2], i=i % 2, j=1 - i % 2) for i, name in enumerate(NAMES)
    ]
    path.write_text("\n".join([header, *lines]))


def jsonl(path: Path) -> None:
    objects = ({"file_name": name, "label": i % 2, "objects": [1]} for i, name in enumerate(NAMES))
    path.write_text("\n".join(map(json.dumps, objects)))


def kaggle(root: Path) -> None:
    loose(root / "train"), loose(root / "test")
    csv(root / "train.csv", "id,label", "{stem},{label}")
    csv(root / "sample_submission.csv", "id,label", "{stem},a")
    (root / "test.csv").write_text("id\n00\n")


def images_beside_labels(root: Path) -> None:
    loose(root / "images")
    csv(root / "labels.csv", "image,label")


def hub(root: Path) -> None:
    csv(loose(root) / "metadata.csv", "file_name,label")


def hub_splits(root: Path) -> None:
    jsonl(loose(root / "train") / "metadata.jsonl")
    jsonl(loose(root / "test") / "metadata.jsonl")


def roboflow(root: Path) -> None:
    for split in ("train", "valid", "test"):
        csv(loose(root / split) / "_classes.csv", "filename, a, b", "{name}, {j}, {i}")


def by_split(root: Path) -> None:
    loose(root / "images")
    csv(root / "train.csv", "file,label", "images/{name},{label}")
    csv(root / "val_labels.csv", "file,label", "images/{name},{label}")


@pytest.mark.parametrize(
    ("make", "classes", "splits"),
    [
        (kaggle, ("a", "b"), {"train": 6}),
        (images_beside_labels, ("a", "b"), {"train": 6}),
        (hub, ("a", "b"), {"train": 6}),
        (hub_splits, ("0", "1"), {"train": 6, "test": 6}),
        (roboflow, ("a", "b"), {"train": 6, "val": 6, "test": 6}),
    ],
)
def test_the_classes_of_loose_images_are_read_from_tables(
    tmp_path: Path, make, classes: tuple[str, ...], splits: dict[str, int]
) -> None:
    make(tmp_path)
    listing = read_source(tmp_path)
    assert listing.classes == classes
    assert {name: len(rows) for name, rows in listing.rows.items()} == splits
    assert all(listing.images.path(row).is_file() for row in range(len(listing.labels)))
    assert "the classes are those of " in "\n".join(map(str, listing.notes))
    assert (listing.name, listing.root) == (tmp_path.name, tmp_path)


def test_an_image_that_two_tables_put_into_different_splits_is_left_out(tmp_path: Path) -> None:
    by_split(tmp_path)
    with pytest.raises(DataError, match="contradict each other for every image"):
        read_source(tmp_path)


def test_tables_of_which_none_is_the_one_are_refused_by_name(tmp_path: Path) -> None:
    loose(tmp_path)
    for name in ("first.csv", "second.csv"):
        csv(tmp_path / name, "file,label")
    with pytest.raises(DataError, match=r"first\.csv, second\.csv each name images and their classes; give the one"):
        read_source(tmp_path)


def test_class_folders_count_more_than_a_table_beside_them(tmp_path: Path) -> None:
    class_folders(tmp_path, {"cat": 3, "dog": 3})
    (tmp_path / "labels.csv").write_text("path,class\ncat/000.png,x\ndog/000.png,y\n")
    assert read_source(tmp_path).classes == ("cat", "dog")


@pytest.mark.parametrize("text", ["{", "[1]\n", '{"path": "a"}\n3\n', "", "\n\n"])
def test_lines_that_are_no_json_objects_are_refused_in_a_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_source(path)
    assert "\n" not in str(caught.value)
