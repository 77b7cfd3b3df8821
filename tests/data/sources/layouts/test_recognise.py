"""A layout is known by its files, wherever its folder lies and whatever it is called; other folders are left alone."""

from pathlib import Path

import numpy as np
import pytest
from pictures import class_folders

from convsmith.data import open_dataset
from convsmith.data.sources.detect import read_source
from convsmith.data.sources.layouts.recognise import is_published, layout_of
from convsmith.doctor.inspection import inspect
from convsmith.errors import DataError
from published_trees import (
    caltech101,
    caltech256,
    cifar10,
    cifar100,
    cub,
    dogs,
    emnist,
    flowers,
    food,
    pets,
    svhn,
    tiny_imagenet,
)

TREES = (caltech101, caltech256, cifar10, cifar100, cub, dogs, emnist, flowers, food, pets, svhn, tiny_imagenet)


@pytest.mark.parametrize("tree", TREES)
def test_the_name_of_its_folder_does_not_matter(tmp_path: Path, tree) -> None:
    tree(tmp_path / "renamed")
    whole = open_dataset(tmp_path / "renamed")
    assert open_dataset(tmp_path).fingerprint == whole.fingerprint
    assert len(whole.classes) > 1
    assert not whole.unusable


def spoiled(content: bytes, random: np.random.Generator) -> list[bytes]:
    """What may become of a file: nothing, half, other bytes, lines without their last word, lines in another order."""
    lines = content.split(b"\n")
    return [
        b"",
        content[: len(content) // 2],
        random.integers(0, 256, 400, np.uint8).tobytes(),
        b"\n".join(line.rpartition(b" ")[0] for line in lines),
        b"\n".join(lines[::-1]),
        content.replace(b"1", b"-7"),
    ]


@pytest.mark.parametrize("tree", TREES)
def test_any_list_that_is_spoiled_is_read_or_refused_in_one_line(tmp_path: Path, tree) -> None:
    root = tree(tmp_path / "set")
    random = np.random.default_rng(0)
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path.suffix not in (".jpg", ".JPEG")]
    refused = 0
    for path in files[-12:]:
        content = path.read_bytes()
        for bad in spoiled(content, random):
            path.write_bytes(bad)
            try:
                assert len(read_source(root).labels)
            except DataError as error:
                refused += 1
                assert "\n" not in str(error)
                assert str(tmp_path) in str(error)
        path.write_bytes(content)
    assert refused or tree in (caltech101, caltech256)  # which have no lists


@pytest.mark.parametrize("tree", TREES)
def test_a_note_says_in_which_layout_it_was_read(tmp_path: Path, tree) -> None:
    assert any("read as" in str(note) for note in read_source(tree(tmp_path / "set")).notes)


def test_inspect_prints_the_note(tmp_path: Path) -> None:
    assert "read as Oxford Flowers-102; train, val and test as published" in str(inspect(flowers(tmp_path)))


def test_two_in_one_folder_are_not_guessed_between(tmp_path: Path) -> None:
    food(tmp_path / "food-101")
    flowers(tmp_path / "flowers")
    with pytest.raises(DataError, match="holds several data sets: flowers, food-101; give one"):
        read_source(tmp_path)


def test_folders_of_classes_are_no_layout(tmp_path: Path) -> None:
    assert layout_of(class_folders(tmp_path, {"a": 1, "b": 1})) is None
    assert not is_published(tmp_path)
    assert layout_of(tmp_path / "nowhere") is None


def test_inspect_does_not_take_a_damaged_layout_for_unlabelled_images(tmp_path: Path) -> None:
    (food(tmp_path) / "meta/test.txt").unlink()
    with pytest.raises(DataError, match=r"test\.txt is missing"):
        inspect(tmp_path)
