"""Lists of images: each once, in order, with every line accounted for."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from convsmith.data.sources.layouts.listed import Member, lines_of, listing_of, rows_of, wordnet_names
from convsmith.errors import DataError
from published_trees import text


@given(st.permutations(range(6)))
def test_the_order_of_the_list_does_not_matter(order: list[int]) -> None:
    members = [Member(f"{i}.jpg", i % 2, "train") for i in range(6)]
    listing = listing_of(Path("root"), [members[i] for i in order], {0: "a", 1: "b"})
    assert [listing.images.name(row) for row in range(6)] == [f"root/{i}.jpg" for i in range(6)]
    assert listing.labels.tolist() == [0, 1] * 3


def test_the_same_line_twice_counts_once_and_two_classes_do_not_count() -> None:
    members = [Member("a.jpg", 0, "train")] * 2 + [Member("b.jpg", 0, "train"), Member("b.jpg", 1, "train")]
    listing = listing_of(Path("root"), [*members, Member("c.jpg", 1, "train")], {0: "a", 1: "b", 2: "c"})
    assert [listing.images.name(row) for row in range(len(listing.labels))] == ["root/a.jpg", "root/c.jpg"]
    assert [str(one) for one in listing.findings] == ["root/b.jpg: its lists put it into two classes; not used"]
    assert [str(one) for one in listing.notes] == ["root: 1 class has no images: c; left out"]


def test_no_images_and_control_characters_in_a_name_are_refused() -> None:
    with pytest.raises(DataError, match="its lists name no images"):
        listing_of(Path("root"), [], {})
    with pytest.raises(DataError, match="cannot be a class"):
        listing_of(Path("root"), [Member("a.jpg", 0, "train")], {0: "a\x07b"})


def test_windows_line_ends_and_a_mark_are_read_and_bytes_are_not(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeffa 1\r\n\r\nb 2\r\n".encode())
    assert [words for _, words in rows_of(path, 2, "two words")] == [["a", "1"], ["b", "2"]]
    assert [where for where, _ in rows_of(path, 2, "two words")] == [f"{path}: line 1", f"{path}: line 3"]
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not a text file"):
        lines_of(path)


def test_a_list_that_is_far_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convsmith.data.sources.layouts.listed.MAX_TEXT_BYTES", 10)
    with pytest.raises(DataError, match="longer than 10 bytes, so it is not a list"):
        lines_of(text(tmp_path / "list.txt", "0123456789"))


def test_synsets_of_one_name_are_told_apart_by_their_ids() -> None:
    named = wordnet_names(["n01443537", "n99999998", "n99999999"], {"n99999998": "crane", "n99999999": "crane"})
    assert named == {"n01443537": "goldfish", "n99999998": "crane", "n99999999": "crane (n99999999)"}
