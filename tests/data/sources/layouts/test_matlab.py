"""MAT-files are read or refused in a line."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.io import savemat

from convsmith.data.sources.layouts.matlab import integers, read_mat, strings
from convsmith.errors import DataError
from published_trees import cells


@pytest.mark.parametrize("version", ["4", "5"])
def test_vectors_come_back_in_both_versions(tmp_path: Path, version: str) -> None:
    savemat(tmp_path / "a.mat", {"x": np.array([[3.0, 1.0]])}, format=version)
    assert integers(tmp_path / "a.mat", "x", read_mat(tmp_path / "a.mat", "x")["x"]).tolist() == [3, 1]


def test_one_cell_is_a_list_of_one(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"x": cells(["only.jpg"]), "y": np.array([[7]])})
    read = read_mat(tmp_path / "a.mat", "x", "y")
    assert strings(tmp_path, "x", read["x"]) == ["only.jpg"]
    assert integers(tmp_path, "y", read["y"]).tolist() == [7]


def test_version_73_is_said_to_be_that(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["x"] = [1, 2]
    with pytest.raises(DataError, match=r"version 7\.3 \(HDF5\); save it as version 7"):
        read_mat(path, "x")


def test_a_missing_variable_and_a_missing_file_are_named(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"x": [1]})
    with pytest.raises(DataError, match=r"a\.mat has no variable y; it has: x"):
        read_mat(tmp_path / "a.mat", "y")
    with pytest.raises(DataError, match=r"b\.mat cannot be read: No such file"):
        read_mat(tmp_path / "b.mat", "y")


def test_an_array_that_claims_terabytes_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    savemat(tmp_path / "a.mat", {"x": np.zeros((100, 100))})
    monkeypatch.setattr("convsmith.data.sources.layouts.matlab.MAX_BYTES", 1000)
    with pytest.raises(DataError, match="x takes 80,000 bytes; at most 1,000 are read into memory"):
        read_mat(tmp_path / "a.mat", "x")


@given(st.binary(max_size=300), st.integers(0, 400))
def test_any_bytes_are_an_array_or_an_error_of_one_line(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, kept: int
) -> None:
    path = tmp_path_factory.mktemp("junk") / "a.mat"
    savemat(path, {"x": np.arange(20)})
    path.write_bytes(path.read_bytes()[:kept] + junk)
    try:
        read_mat(path, "x")
    except DataError as error:
        assert "\n" not in str(error)
        assert str(path) in str(error)
