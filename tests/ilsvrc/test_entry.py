"""Entries are read strictly: each flaw is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from convsmith.errors import DataError
from convsmith.ilsvrc.entry import read_entry, write_entry


def test_an_entry_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert write_entry(tmp_path / "e.txt", [[3, 1, 2, 5, 4], [7, 8, 9, 10, 6]]) == 2
    assert read_entry(tmp_path / "e.txt", 2, 10).tolist() == [[3, 1, 2, 5, 4], [7, 8, 9, 10, 6]]


def test_fewer_guesses_than_five_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "e.txt").write_text("3\n7 8\n")
    assert read_entry(tmp_path / "e.txt", 2, 10).tolist() == [[3, 0, 0, 0, 0], [7, 8, 0, 0, 0]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 2 3 4 5\n", "has 1 lines for 2 images"),
        ("1\n2\n3\n", "has 3 lines for 2 images"),
        ("1\n\n", "line 2: 0 guesses"),
        ("1\n1 2 3 4 5 6\n", "line 2: 6 guesses"),
        ("1\n11\n", "line 2: 11 is not an ILSVRC2012_ID"),
        ("0\n1\n", "line 1: 0 is not an ILSVRC2012_ID"),
        ("1\ntabby\n", "line 2: 'tabby' are not ids"),
        ("1\n2 3 2\n", "line 2: '2 3 2' has the same guess twice"),
        ("1\n2.5\n", "line 2: '2.5' are not ids"),
    ],
)
def test_a_flaw_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "e.txt").write_text(text)
    with pytest.raises(DataError, match=said):
        read_entry(tmp_path / "e.txt", 2, 10)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "e.txt").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(DataError, match="not a text file of guesses"):
        read_entry(tmp_path / "e.txt", 1, 10)
    with pytest.raises(DataError, match="cannot be read"):
        read_entry(tmp_path / "none.txt", 1, 10)
