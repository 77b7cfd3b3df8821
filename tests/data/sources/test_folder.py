from pathlib import Path

import pytest
from pictures import class_folders, picture

from convsmith.data.sources.folder import read_folder
from convsmith.errors import DataError


def names(listing) -> list[str]:
    return [str(listing.images.path(row).relative_to(listing.images.root)) for row in range(len(listing.labels))]


def test_folders_are_classes_and_files_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    class_folders(tmp_path, {"b": 2, "a": 1})
    picture(tmp_path / "b/nested/deep/x.png")
    listing = read_folder(tmp_path)
    assert listing.classes == ("a", "b")
    assert names(listing) == ["a/000.png", "b/000.png", "b/001.png", "b/nested/deep/x.png"]
    assert listing.labels.tolist() == [0, 1, 1, 1]
    assert listing.rows.keys() == {"train"}


def test_classes_that_are_numbers_are_in_their_order(tmp_path: Path) -> None:
    assert read_folder(class_folders(tmp_path, {"10": 1, "9": 1, "1": 1})).classes == ("1", "9", "10")


def test_odd_names_are_kept(tmp_path: Path) -> None:
    class_folders(tmp_path, {"Blüte 花": 1, "it's; a \\test": 1, "100%": 1}, ".PNG")
    listing = read_folder(tmp_path)
    assert set(listing.classes) == {"Blüte 花", "it's; a \\test", "100%"}
    assert all(listing.images[row].shape == (6, 8, 3) for row in range(3))


def test_what_file_managers_leave_is_not_data(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 1, "b": 1})
    for path in (".DS_Store", "a/Thumbs.db", "b/.hidden.png", "__MACOSX/a.png", ".git/c.png"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    listing = read_folder(tmp_path)
    assert names(listing) == ["a/000.png", "b/000.png"]
    assert listing.findings == ()


def test_splits_match_classes_by_name_and_know_other_words_for_val(tmp_path: Path) -> None:
    class_folders(tmp_path, {"train/a": 2, "train/b": 1, "valid/b": 1, "valid/a": 1, "test/b": 2, "test/a": 1})
    listing = read_folder(tmp_path)
    by_split = {name: [names(listing)[row] for row in rows] for name, rows in listing.rows.items()}
    assert by_split["val"] == ["valid/a/000.png", "valid/b/000.png"]
    assert listing.labels[listing.rows["test"]].tolist() == [0, 1, 1]
    assert list(listing.rows) == ["train", "val", "test"]


def test_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    assert read_folder(class_folders(tmp_path, {"train": 2, "car": 2})).classes == ("car", "train")


def test_what_is_beside_the_splits_and_loose_files_are_named(tmp_path: Path) -> None:
    class_folders(tmp_path, {"train/a": 1, "train/b": 1, "extra/a": 1})
    picture(tmp_path / "train/loose.png")
    found = {str(finding) for finding in read_folder(tmp_path).findings}
    assert found == {
        f"{tmp_path / 'extra'}: beside the splits; not used",
        f"{tmp_path / 'train/loose.png'}: in no class folder; not used",
    }


def test_links_that_lead_in_circles_are_named_and_not_followed(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", {"a": 1, "b": 1})
    (tmp_path / "data/loop").symlink_to(tmp_path / "data")
    (tmp_path / "data/a/again").symlink_to(tmp_path / "data/a")
    elsewhere = class_folders(tmp_path / "elsewhere", {"c": 1})
    (tmp_path / "data/c").symlink_to(elsewhere / "c")
    (tmp_path / "data/a/linked.png").symlink_to(elsewhere / "c/000.png")
    listing = read_folder(tmp_path / "data")
    assert listing.classes == ("a", "b", "c")
    assert "a/linked.png" in names(listing)
    assert sorted(finding.reason for finding in listing.findings) == [
        "a link to a folder above it; not followed",
        "a link to a folder; not followed",
    ]


@pytest.mark.parametrize(
    ("counts", "complaint"),
    [
        ({}, "holds no images; expected a folder of images for each class"),
        ({".": 2}, "holds files but no folders; put the images of each class into a folder of its own"),
        ({"train/a": 1, "val/a": 1, "valid/a": 1}, "which mean the same split; keep one of them"),
    ],
)
def test_a_folder_that_is_no_data_set_says_what_would_be(
    tmp_path: Path, counts: dict[str, int], complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        read_folder(class_folders(tmp_path, counts))


def test_a_class_of_unprintable_characters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'a\\nb' cannot be a class"):
        read_folder(class_folders(tmp_path, {"a\nb": 1, "c": 1}))
