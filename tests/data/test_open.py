import json
from pathlib import Path

import numpy as np
import pytest
from pictures import class_folders, picture

from convsmith.data import open_dataset
from convsmith.data.summary import summarize
from convsmith.errors import DataError, UnknownNameError


def test_a_folder_becomes_a_checked_and_split_data_set(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "pets", {"cat": 10, "dog": 10})
    (root / "cat/broken.jpg").write_bytes(b"nothing")
    dataset = open_dataset(root)
    assert (dataset.name, dataset.classes, dataset.channels, dataset.size) == ("pets", ("cat", "dog"), 3, (6, 8))
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 12, "val": 4, "test": 4}
    assert [str(finding) for finding in dataset.skipped] == [
        f"{root / 'cat/broken.jpg'}: not an image of a known format (JPEG, PNG, WEBP, BMP, GIF, TIFF, PPM, AVIF)"
    ]


def test_strict_refuses_what_would_be_left_out(tmp_path: Path) -> None:
    root = class_folders(tmp_path, {"cat": 4, "dog": 4})
    (root / "cat/empty.png").touch()
    with pytest.raises(DataError, match=r"1 things cannot be used .*empty.png: empty file"):
        open_dataset(root, strict=True)


def test_a_set_of_nothing_but_damage_names_the_first(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "x.png").write_bytes(b"damage")
    with pytest.raises(DataError, match=r"none of its 2 files is a usable image; the first: .*a/x.png"):
        open_dataset(tmp_path)


def test_grey_images_have_one_channel_and_one_coloured_pixel_makes_three(tmp_path: Path) -> None:
    for label in "ab":
        for i in range(4):
            picture(tmp_path / label / f"{i}.png", (i * 20,) * 3)
    assert open_dataset(tmp_path).channels == 1
    picture(tmp_path / "a/0.png", (1, 1, 2))
    assert open_dataset(tmp_path).channels == 3


def test_images_of_one_size_live_in_memory_and_others_in_their_files(tmp_path: Path) -> None:
    root = class_folders(tmp_path, {"a": 4, "b": 4})
    same = open_dataset(root).split("train").images
    assert same.array.dtype == np.uint8
    assert same.array.shape[1:] == (6, 8, 3)
    picture(root / "a/wide.png", size=(20, 6))
    assert not hasattr(open_dataset(root).split("train").images, "array")


def test_the_fingerprint_follows_the_data_and_the_seed(tmp_path: Path) -> None:
    root = class_folders(tmp_path, {"a": 8, "b": 8})
    first = open_dataset(root).fingerprint
    assert open_dataset(root).fingerprint == first
    assert open_dataset(root, seed=1).fingerprint != first
    picture(root / "a/000.png", (9, 9, 9))
    assert open_dataset(root).fingerprint != first


def test_what_is_no_data_set_says_what_would_be(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(
        DataError, match=r"is no data set; expected a folder of class folders, of shards, .*; IDX files or .csv"
    ):
        open_dataset(tmp_path / "notes.txt")
    with pytest.raises(UnknownNameError, match="nearest: fashion-mini"):
        open_dataset("fashion-mimi")


def test_the_bundled_set_has_ten_classes_of_1200(cache: Path) -> None:
    counts = summarize(open_dataset("fashion-mini")).images
    assert {name: set(by_class.values()) for name, by_class in counts.items()} == {
        "train": {900},
        "val": {100},
        "test": {200},
    }


def test_a_summary_prints_classes_in_columns_and_is_json(tmp_path: Path) -> None:
    summary = summarize(open_dataset(class_folders(tmp_path / "pets", {"cat": 10, "dog": 10})))
    lines = str(summary).splitlines()
    assert lines[0] == "pets: 2 classes; colour, median size 6x8 (height x width)"
    assert [line.split()[0] for line in lines[2:6]] == ["class", "cat", "dog", "all"]
    assert json.loads(json.dumps(summary.to_json()))["size"] == [6, 8]
