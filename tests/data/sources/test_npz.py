import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as npst

from convsmith.data.sources.npz import read_npz
from convsmith.errors import DataError


def saved(folder: Path, **arrays: object) -> Path:
    path = folder / "set.npz"
    np.savez(path, **arrays)
    return path


IMAGES = np.arange(4 * 3 * 2, dtype=np.uint8).reshape(4, 3, 2)


@given(
    npst.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 3]))),
    st.sampled_from([np.uint8, np.int32, np.int64]),
    st.booleans(),
)
def test_images_and_labels_come_back(tmp_path_factory: pytest.TempPathFactory, images, kind, column: bool) -> None:
    labels = (np.arange(len(images)) % 2).astype(kind)
    path = saved(tmp_path_factory.mktemp("npz"), images=images, labels=labels[:, None] if column else labels)
    listing = read_npz(path)
    for row in range(len(images)):
        assert np.array_equal(listing.images[row], np.broadcast_to(images[row], (*images.shape[1:3], 3)))
    assert listing.labels.tolist() == labels.tolist()


def test_keras_names_are_splits(tmp_path: Path) -> None:
    path = saved(tmp_path, x_train=IMAGES, y_train=[0, 1, 0, 1], x_test=IMAGES[:2], y_test=[1, 0])
    listing = read_npz(path)
    assert {name: rows.tolist() for name, rows in listing.rows.items()} == {"train": [0, 1, 2, 3], "test": [4, 5]}
    assert listing.images.name(4) == "set.npz:x_test[0]"


def test_labels_may_be_names_or_stand_for_names_and_splits_may_be_given(tmp_path: Path) -> None:
    by_name = read_npz(saved(tmp_path, images=IMAGES, labels=["dog", "cat", "dog", "cat"]))
    assert (by_name.classes, by_name.labels.tolist()) == (("cat", "dog"), [1, 0, 1, 0])
    path = saved(tmp_path, images=IMAGES, labels=[1, 0, 1, 0], classes=["dog", "cat"], split=["train", "test"] * 2)
    listing = read_npz(path)
    assert listing.classes == ("dog", "cat")
    assert listing.rows["test"].tolist() == [1, 3]


@pytest.mark.parametrize(
    "names",
    [
        "images labels",
        "X y",
        "data target",
        "arr_0 arr_1",
        "image label",
        "train_images train_labels",
        "X_train Y_train",
        "trainImages trainLabels",
        "images_train labels_train",
    ],
)
def test_arrays_are_known_by_any_usual_name(tmp_path: Path, names: str) -> None:
    images, labels = names.split()
    listing = read_npz(saved(tmp_path, **{images: IMAGES, labels: [0, 1, 0, 1]}))
    assert listing.labels.tolist() == [0, 1, 0, 1]
    assert listing.images.name(0) == f"set.npz:{images}[0]"


def test_medmnists_names_are_splits(tmp_path: Path) -> None:
    arrays = {f"{split}_images": IMAGES for split in ("train", "val", "test")}
    arrays |= {f"{split}_labels": np.array([[0], [1], [0], [1]], np.uint8) for split in ("train", "val", "test")}
    listing = read_npz(saved(tmp_path, **arrays))
    assert {name: len(rows) for name, rows in listing.rows.items()} == {"train": 4, "val": 4, "test": 4}


@pytest.mark.parametrize(
    "images",
    [
        (IMAGES / 255).astype(np.float32),
        IMAGES.astype(np.int64),
        IMAGES.astype(np.float64),
        IMAGES[:, None],
        np.repeat(IMAGES[:, None], 3, axis=1),
    ],
    ids=["floats to 1", "integers", "floats to 255", "channels first", "colours first"],
)
@pytest.mark.parametrize("labels", [[0, 1, 0, 1], [0.0, 1.0, 0.0, 1.0], np.eye(2)[[0, 1, 0, 1]]])
def test_files_hold_whatever_arrays_in_memory_may(tmp_path: Path, images: np.ndarray, labels: object) -> None:
    listing = read_npz(saved(tmp_path, images=images, labels=labels))
    assert listing.labels.tolist() == [0, 1, 0, 1]
    assert np.array_equal(listing.images[3][..., 0], IMAGES[3])


def test_splits_may_differ_in_size(tmp_path: Path) -> None:
    path = saved(tmp_path, x_train=IMAGES, y_train=[0, 1] * 2, x_test=IMAGES[:, :2], y_test=[0, 1] * 2)
    listing = read_npz(path)
    assert [listing.images[row].shape for row in (0, 4)] == [(3, 2, 3), (2, 2, 3)]


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"pixels": IMAGES}, "holds pixels; expected x_train and y_train, or images and labels"),
        ({"images": IMAGES}, "has images but no labels"),
        ({"x_train": IMAGES}, "has x_train but no y_train"),
        ({"images": IMAGES / 255 - 3, "labels": [0] * 4}, "images: float64 with values from -3 to .*; expected uint8"),
        ({"images": IMAGES, "labels": [0] * 3}, r"labels: int64 of shape \(3,\) for 4 images; expected one label"),
        ({"images": IMAGES, "labels": [0.5] * 4}, "labels: float64; expected whole numbers or class names"),
        ({"images": IMAGES, "labels": [0, 1, 2, 3], "classes": ["a", "b"]}, "labels: 3 is not from 0 to 1"),
        ({"images": IMAGES, "labels": [0, -1, 0, 0], "classes": ["a", "b"]}, "labels: -1 is not from 0 to 1"),
        ({"images": IMAGES, "labels": [0, 1] * 2, "classes": ["a", "a"]}, "classes: names 'a' twice"),
        ({"images": IMAGES, "labels": [0, 1] * 2, "split": ["odd"] * 4}, "unknown split 'odd'"),
        ({"x_train": IMAGES, "y_train": [0] * 4, "x_test": IMAGES, "y_test": ["a"] * 4}, "numbers in one split and n"),
        ({"x_train": IMAGES[:, 0, 0], "y_train": [0] * 4}, r"x_train: uint8 of shape \(4,\); expected \(N, H, W\)"),
    ],
)
def test_arrays_that_are_wrong_are_named(tmp_path: Path, arrays: dict[str, object], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        read_npz(saved(tmp_path, **arrays))


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read as npz: Object arrays cannot be loaded"):
        read_npz(saved(tmp_path, images=IMAGES, labels=np.array([{}, 1, 2, 3], dtype=object)))


def test_an_archive_that_unpacks_to_more_than_memory_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.npy", bytes(1000))
        archive.writestr("images.npy", bytes(1 << 20))
    data = path.read_bytes()
    directory = data.rindex(b"PK\x01\x02")
    claimed = (0xFFFFFFF0).to_bytes(4, "little")
    path.write_bytes(data[: directory + 24] + claimed + data[directory + 28 :])
    with pytest.raises(DataError, match=r"unpacks to 4,294,968,280 bytes; at most 4,294,967,296"):
        read_npz(path)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_any_bytes_are_an_archive_or_an_error_of_one_line(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, place: int
) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, images=IMAGES, labels=[0, 1, 0, 1])
    whole = buffer.getvalue()
    path = tmp_path_factory.mktemp("junk") / "set.npz"
    for data in (junk, whole[:place] + junk + whole[place + len(junk) :], whole[: len(whole) - place]):
        path.write_bytes(data)
        try:
            read_npz(path)
        except DataError as error:
            assert "\n" not in str(error)


def npy(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 3",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (4L, 3L, ",
        b"((((((((((",
        b'"""',
        b"{" * 2000,
        b"\xff\xfe",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (9999999999999,)}",
    ],
)
def test_a_header_that_is_no_header_is_one_line(tmp_path: Path, header: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        archive.writestr("images.npy", npy(header))
    with pytest.raises(DataError, match="cannot be read as npz") as caught:
        read_npz(tmp_path / "set.npz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("place", "value"), [(6, 99), (10, 97), (8, 1)])
def test_a_zip_of_another_version_method_or_with_a_password_is_one_line(tmp_path: Path, place: int, value: int) -> None:
    path = saved(tmp_path, images=IMAGES, labels=[0, 1, 0, 1])
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[directory + place] = value
    path.write_bytes(data)
    with pytest.raises(DataError, match="cannot be read as npz"):
        read_npz(path)
