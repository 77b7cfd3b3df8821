import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as npst

from convsmith.data.sources.idx import is_idx, read_array, read_idx, write_array
from convsmith.errors import DataError

arrays = npst.arrays(np.uint8, npst.array_shapes(min_dims=1, max_dims=3, max_side=6))


def plain(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def parts(folder: Path, end: str = "", **sizes: int) -> Path:
    """IDX files of so many images of 3x2 for each part (train, t10k)."""
    for part, count in sizes.items():
        for kind, array in (
            ("images-idx3", np.arange(count * 6, dtype=np.uint8).reshape(count, 3, 2)),
            ("labels-idx1", np.arange(count, dtype=np.uint8) % 3),
        ):
            data = plain(array)
            (folder / f"{part}-{kind}-ubyte{end}").write_bytes(gzip.compress(data) if end else data)
    return folder


@given(arrays, st.booleans())
def test_an_array_comes_back_from_its_file(tmp_path_factory: pytest.TempPathFactory, array, zipped: bool) -> None:
    path = tmp_path_factory.mktemp("idx") / ("a.gz" if zipped else "a")
    if zipped:
        write_array(path, array)
    else:
        path.write_bytes(plain(array))
    assert np.array_equal(read_array(path), array)


@given(arrays, st.data())
def test_a_file_that_is_cut_or_has_more_is_refused(tmp_path_factory: pytest.TempPathFactory, array, data) -> None:
    whole = plain(array)
    path = tmp_path_factory.mktemp("idx") / "a"
    for wrong in (whole[: data.draw(st.integers(0, len(whole) - 1))], whole + b"\0"):
        path.write_bytes(wrong)
        with pytest.raises(DataError, match="a "):
            read_array(path)


@given(st.binary(max_size=64), st.booleans())
def test_any_bytes_are_an_array_or_an_error_of_one_line(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, zipped: bool
) -> None:
    path = tmp_path_factory.mktemp("junk") / ("a.gz" if zipped else "a")
    path.write_bytes(junk)
    try:
        read_array(path)
    except DataError as error:
        assert "\n" not in str(error)


def test_a_header_that_claims_terabytes_is_refused_without_them(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(struct.pack(">HBB3I", 0, 8, 3, 60_000, 1 << 16, 1 << 16))
    with pytest.raises(DataError, match=r"claims [\d,]+ bytes; at most 4,294,967,296"):
        read_array(path)


def test_a_gzip_bomb_is_read_no_further_than_its_header_says(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(plain(np.zeros((2, 2), np.uint8)) + bytes(50_000_000)))
    with pytest.raises(DataError, match="holds 5 bytes of data where its header says 4"):
        read_array(path)


def test_other_element_types_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "floats"
    path.write_bytes(struct.pack(">HBBIf", 0, 13, 1, 1, 0.5))
    with pytest.raises(DataError, match="is not an IDX file of unsigned bytes"):
        read_array(path)


@pytest.mark.parametrize("end", ["", ".gz"])
def test_a_folder_of_parts_is_a_data_set_with_its_splits(tmp_path: Path, end: str) -> None:
    assert is_idx(parts(tmp_path, end, train=6, t10k=3))
    listing = read_idx(tmp_path)
    assert listing.classes == ("0", "1", "2")
    assert {name: len(rows) for name, rows in listing.rows.items()} == {"train": 6, "test": 3}
    assert listing.images[1].tolist()[0] == [[6, 6, 6], [7, 7, 7]]
    assert listing.images.name(7) == f"t10k-images-idx3-ubyte{end}[1]"


def test_a_prefix_leads_to_parts_and_classes_may_be_named(tmp_path: Path) -> None:
    parts(tmp_path, train=6)
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / f"fashion-{path.name}")
    listing = read_idx(tmp_path / "fashion-", ("shoe", "hat", "bag"))
    assert listing.classes == ("shoe", "hat", "bag")
    with pytest.raises(DataError, match="label 2 is outside its 2 classes"):
        read_idx(tmp_path / "fashion-", ("shoe", "hat"))


def test_images_without_labels_or_with_too_few_are_named(tmp_path: Path) -> None:
    parts(tmp_path, train=6)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(plain(np.zeros(5, np.uint8)))
    with pytest.raises(DataError, match="holds 6 images, train-labels-idx1-ubyte 5 labels"):
        read_idx(tmp_path)
    labels.unlink()
    with pytest.raises(DataError, match="train has images but no labels; expected train-labels-idx1-ubyte"):
        read_idx(tmp_path)
