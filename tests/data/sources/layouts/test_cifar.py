"""CIFAR's binary files: planes of colour, one label byte or two; truncated files and pickles are refused."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from convsmith.data import open_dataset
from convsmith.data.sources.detect import read_source
from convsmith.errors import DataError
from published_trees import cifar10, cifar100, cifar_records, text


def test_planes_become_pixels(tmp_path: Path) -> None:
    listing = read_source(cifar10(tmp_path / "cifar-10-batches-bin"))
    assert listing.images[3][5, 9].tolist() == [5, 9, 60]
    assert listing.images.name(23) == "data_batch_2.bin[3]"
    assert listing.classes[:2] == ("airplane", "automobile")
    assert {split: len(rows) for split, rows in listing.rows.items()} == {"train": 100, "test": 20}
    assert listing.labels[:11].tolist() == [*range(10), 0]


def test_the_second_byte_of_cifar_100_is_the_class(tmp_path: Path) -> None:
    listing = read_source(cifar100(tmp_path))
    assert listing.classes[1] == "aquarium fish"
    assert listing.labels[:6].tolist() == [0, 1, 2, 3, 4, 5]
    assert listing.images[7][30, 2].tolist()[1:] == [2, 140]


def test_names_are_known_without_the_meta_file_and_the_folder_is_found_one_below(tmp_path: Path) -> None:
    root = cifar10(tmp_path / "anything")
    (root / "batches.meta.txt").unlink()
    data = open_dataset(tmp_path)
    assert data.classes[-1] == "truck"
    assert any("anything is read in its place" in str(note) for note in data.notes)


@pytest.mark.parametrize("cut", [1, 3072, 3074])
def test_a_file_that_is_no_whole_number_of_records_is_refused(tmp_path: Path, cut: int) -> None:
    root = cifar10(tmp_path)
    path = root / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DataError, match=r"data_batch_3\.bin holds [\d,]+ bytes, not a multiple of 3,073"):
        read_source(root)


def test_a_label_outside_the_classes_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    root = cifar10(tmp_path)
    content = bytearray(cifar_records(3, 0, 1))
    content[2 * 3073] = 10
    (root / "test_batch.bin").write_bytes(content)
    with pytest.raises(DataError, match=r"test_batch\.bin: image 2 has the label 10; there are 10 classes"):
        read_source(root)
    (root / "test_batch.bin").write_bytes(b"")
    with pytest.raises(DataError, match=r"test_batch\.bin holds 0 bytes"):
        read_source(root)


def test_names_that_repeat_are_refused(tmp_path: Path) -> None:
    root = cifar100(tmp_path)
    text(root / "fine_label_names.txt", "apple", "apple")
    with pytest.raises(DataError, match="does not name each class once"):
        read_source(root)


class Trap:
    """What a pickle may do when it is loaded: here, make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("names", [("data_batch_1", "test_batch", "batches.meta"), ("train", "test", "meta")])
def test_the_pickled_version_is_refused_and_never_loaded(tmp_path: Path, names: tuple[str, ...]) -> None:
    root = tmp_path / "python"
    root.mkdir()
    for name in names:
        (root / name).write_bytes(pickle.dumps(Trap(tmp_path / "made"), protocol=2))
    with pytest.raises(DataError, match="which is pickled, and no pickle is loaded; take the binary version"):
        read_source(root)
    assert not (tmp_path / "made").exists()


def test_pixels_are_those_of_an_independent_reading(tmp_path: Path) -> None:
    root = cifar10(tmp_path)
    content = (root / "test_batch.bin").read_bytes()
    record = content[7 * 3073 + 1 : 8 * 3073]
    expected = [[[record[1024 * c + 32 * y + x] for c in range(3)] for x in range(32)] for y in range(32)]
    listing = read_source(root)
    assert np.array_equal(listing.images[int(listing.rows["test"][7])], expected)
