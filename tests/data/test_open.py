import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from pictures import class_folders, picture
from PIL import Image

from convsmith.cost.table import display_width
from convsmith.data import open_dataset
from convsmith.data.sources.detect import read_source
from convsmith.data.sources.shards import pack
from convsmith.data.summary import summarize
from convsmith.errors import DataError, UnknownNameError, UsageError


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
    with pytest.raises(DataError, match=r"strict: .*1 thing cannot be used: .*empty.png: empty file"):
        open_dataset(root, strict=True)


def test_a_set_of_nothing_but_damage_names_the_first(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "x.png").write_bytes(b"damage")
    with pytest.raises(DataError, match=r"none of its 2 files is a usable image; the first is .*a/x.png"):
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


def noise(root: Path, counts: dict[str, int]) -> Path:
    """Images of noise, all files of one size."""
    for label, count in counts.items():
        (root / label).mkdir(parents=True)
        for number in range(count):
            pixels = np.random.default_rng([len(label), number, *label.encode()]).integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.bmp")
    return root


def swap(one: Path, other: Path) -> None:
    """Two files change places, with all that a folder tells of them."""
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


@pytest.mark.parametrize("how", ["moved", "overwritten"])
@pytest.mark.parametrize("sizes", ["one", "many"])
def test_files_that_change_places_change_the_fingerprint(tmp_path: Path, how: str, sizes: str) -> None:
    root = noise(tmp_path, {"a": 5, "b": 5})
    if sizes == "many":
        picture(root / "a/wide.png", size=(9, 6))
    for path in root.rglob("*.bmp"):
        os.utime(path, ns=(0, 10**18))  # as after unpacking an archive
    first = open_dataset(root).fingerprint
    for number in range(5):
        one, other = root / f"a/{number}.bmp", root / f"b/{number}.bmp"
        if how == "moved":
            swap(one, other)
        else:
            here, there = one.read_bytes(), other.read_bytes()
            one.write_bytes(there)
            other.write_bytes(here)
            for path in (one, other):
                os.utime(path, ns=(0, 10**18))
    assert open_dataset(root).fingerprint != first


def test_a_copy_is_the_same_data_set(tmp_path: Path) -> None:
    root = noise(tmp_path / "here", {"a": 5, "b": 5})
    picture(root / "a/wide.png", size=(9, 6))
    shutil.copytree(root, tmp_path / "there")
    assert open_dataset(tmp_path / "there").fingerprint == open_dataset(root).fingerprint


def test_images_of_the_same_content_are_known_in_other_folders(tmp_path: Path) -> None:
    root = noise(tmp_path / "train", {"a": 5, "b": 5})
    picture(root / "a/wide.png", size=(9, 6))
    other = noise(tmp_path / "other", {"aa": 5, "bb": 5})
    shutil.copy(root / "a/3.bmp", other / "bb/copy.bmp")
    trained, measured = (open_dataset(folder, seed=None).split("train") for folder in (root, other))
    assert trained.content is not None
    assert measured.content is not None
    known = np.isin(measured.content, trained.content)
    assert [measured.images.name(row) for row in np.flatnonzero(known)] == [str(other / "bb/copy.bmp")]


def test_without_a_seed_nothing_is_split(tmp_path: Path) -> None:
    dataset = open_dataset(class_folders(tmp_path, {"a": 1, "b": 2}), seed=None)
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 3}
    assert dataset.made_splits == ()


def test_more_unusable_files_than_asked_for_are_refused(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "pets", {"cat": 10, "dog": 10})
    for number in range(4):
        (root / f"cat/{number}.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))
    assert open_dataset(root).unusable == 4
    for number in range(4, 8):
        (root / f"cat/{number}.jpg").touch()
    with pytest.raises(DataError) as caught:
        open_dataset(root)
    assert str(caught.value) == (
        "max_unusable: pets: 8 of its 28 files (29%) cannot be used, more than 20%: "
        "4 x a HEIC image; convert it to JPEG or PNG; 4 x empty file"
    )
    dataset = open_dataset(root, max_unusable=0.5)
    assert dataset.unusable == 8
    assert "left out: 8; 8 of 28 files (28.6%) cannot be used" in str(summarize(dataset)).splitlines()
    with pytest.raises(UsageError, match="max_unusable: must be a share"):
        open_dataset(root, max_unusable=20)


def test_a_class_that_is_too_small_for_its_unusable_files_says_so(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "pets", {"dog": 40})
    (root / "cat").mkdir()
    for number in range(5):
        (root / f"cat/{number}.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))
    with pytest.raises(
        DataError, match=r"class 'cat' has no image .*; 5 of its files cannot be used: 5 x a HEIC image"
    ):
        open_dataset(root)
    picture(root / "cat/0.png")
    with pytest.raises(
        DataError, match=r"class 'cat' has 1 image; it needs 3, .*; 5 of its files .*: 5 x a HEIC image"
    ):
        open_dataset(root)


def test_a_summary_says_where_the_splits_are_from(tmp_path: Path) -> None:
    made = open_dataset(class_folders(tmp_path / "one", {"cat": 10, "dog": 10}), seed=7)
    assert "splits: val and test made here out of train, by seed 7" in str(summarize(made)).splitlines()
    assert summarize(made).to_json()["seed"] == 7
    given = open_dataset(class_folders(tmp_path / "two", {"train/a": 3, "train/b": 3, "val/a": 1, "val/b": 1}))
    assert "splits: as the data have them" in str(summarize(given)).splitlines()
    assert (given.made_splits, given.seed) == ((), None)


def test_what_is_no_data_set_says_what_would_be(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("hello")
    with pytest.raises(
        DataError, match=r"is not a data set; expected a folder of class folders, of shards, .*; IDX files or .csv"
    ):
        open_dataset(tmp_path / "notes.md")
    with pytest.raises(UnknownNameError, match="nearest: fashion-mini"):
        open_dataset("fashion-mimi")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("x.npy", "is one array; save images and labels together with numpy.savez"),
        ("x.xlsx", "is a spreadsheet; save it as CSV"),
        ("x.csv.gz", "is compressed; unpack it"),
        ("x.pkl", "is a pickle, which is never loaded"),
        ("x.mat", "save images and labels with numpy.savez"),
        ("x.onnx", "is a model, not a data set"),
        ("x.JPG", "is one image; a data set is a folder"),
        ("x.zip", "is an archive; unpack it"),
    ],
)
def test_what_is_given_in_place_of_a_data_set_is_called_what_it_is(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match=words):
        open_dataset(tmp_path / name)


@pytest.mark.parametrize("name", ["fashion-mini", "digits"])
def test_a_folder_that_is_called_like_a_known_set_is_read_and_that_is_said(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class_folders(tmp_path / name, {"a": 4, "b": 4})
    monkeypatch.chdir(tmp_path)
    dataset = open_dataset(name)
    assert dataset.classes == ("a", "b")
    assert [str(note) for note in dataset.notes] == [f"{name}: this path was read, not the known data set {name}"]


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


def test_a_summary_is_aligned_whatever_letters_the_classes_have(tmp_path: Path) -> None:
    summary = summarize(open_dataset(class_folders(tmp_path, {"猫": 10, "dog": 10, "cafe\u0301": 10, "👩‍🔬": 10})))
    rows = str(summary).splitlines()[2:8]
    ends = {display_width(row[: row.index(cell) + len(cell)]) for row in rows for cell in [row.split()[1]]}
    assert len(ends) == 1


def test_one_class_is_enough_to_measure_on(tmp_path: Path) -> None:
    root = class_folders(tmp_path, {"a": 3})
    assert open_dataset(root, seed=None).classes == ("a",)
    with pytest.raises(DataError, match="holds one class"):
        open_dataset(root)


def test_a_single_shard_is_a_data_set_and_an_archive_is_told_apart(tmp_path: Path) -> None:
    pack(read_source(class_folders(tmp_path / "data", {"a": 4, "b": 4})), tmp_path / "shards")
    (shard,) = (tmp_path / "shards").glob("*.tar")
    assert len(shard.rename(tmp_path / "one.tar").read_bytes()) > 0
    assert open_dataset(tmp_path / "one.tar").classes == ("0", "1")
    (tmp_path / "photos.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="is an archive; unpack it, and give its folder"):
        open_dataset(tmp_path / "photos.zip")
