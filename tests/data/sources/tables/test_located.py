"""Tables whose paths are written as labelling tools, other machines and other systems write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pictures import picture

from convsmith.data.sources.tables.manifest import read_manifest
from convsmith.errors import DataError

COUNT = 6


def table(folder: Path, written: list[str], header: str = "path,class") -> Path:
    path = folder / "table.csv"
    rows = [f'"{file}",{"ab"[number % 2]}' for number, file in enumerate(written)]
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("file", "written", "header", "told"),
    [
        ("{:04}.png", "{:04}", "image_id,label", "6 paths are written in another way than the files: 0000 is 0000.png"),
        ("train/{:04}.png", "{:04}", "id,breed", "its paths lead from {root}/train"),
        ("images/{:04}.png", "{:04}.png", "id,level", "its paths lead from {root}/images"),
        ("{:04}.png", "IMG/../{:04}.png", "path,class", ""),
        ("img_{:04}.jpg", "IMG_{:04}.JPG", "path,class", "IMG_0000.JPG is img_0000.jpg"),
        ("{:04}.png", "{:04}.jpg", "path,class", "0000.jpg is 0000.png"),
        ("a {:04}.png", "a%20{:04}.png", "path,class", "a%200000.png is a 0000.png"),
        ("é{:04}.png", "e\u0301{:04}.png", "path,class", "written in another way"),
        ("a/{:04}.png", "/home/bob/old/a/{:04}.png", "path,class", "lead from {root}, without their first 3 folders"),
        ("a/{:04}.png", r"C:\Users\bob\a\{:04}.png", "path,class", "lead from {root}, without their first 3 folders"),
        ("a/{:04}.png", "set/a/{:04}.png", "path,class", ""),
        ("up/abc-{:04}.png", "/data/up/abc-{:04}.png", "image,choice", "without their first folder"),
        ("up/{:04}.png", "/data/local-files/?d=up%2F{:04}.png", "image,choice", ""),
        ("{:04}.png", "file://{root}/{:04}.png", "image,label", ""),
        ("{:04}.png", "https://example.org/x/{:04}.png?size=2", "image,label", "without their first folder"),
    ],
)
def test_paths_are_found_however_they_are_written(
    tmp_path: Path, file: str, written: str, header: str, told: str
) -> None:
    root = tmp_path / "set"
    files = [picture(root / file.format(number)) for number in range(COUNT)]
    paths = [written.replace("{root}", str(root)).format(number) for number in range(COUNT)]
    listing = read_manifest(table(root, paths, header))
    assert sorted(listing.images.path(row).resolve() for row in range(COUNT)) == sorted(files)
    assert listing.classes == ("a", "b")
    assert told.replace("{root}", str(root)) in "\n".join(map(str, listing.notes))


def test_a_missing_file_is_not_sought_in_another_folder(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/3.png"):
        picture(tmp_path / name)
    listing = read_manifest(table(tmp_path, ["a/1.png", "a/2.png", "a/3.png"]))
    assert [str(listing.images.path(row).relative_to(tmp_path)) for row in range(3)] == [
        "a/1.png",
        "a/2.png",
        "a/3.png",
    ]


def test_a_file_that_another_row_names_is_not_taken(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    picture(tmp_path / "2.png")
    listing = read_manifest(table(tmp_path, ["1.png", "1.jpg", "2.png"]))
    assert [listing.images.path(row).name for row in range(3)] == ["1.jpg", "1.png", "2.png"]


def test_of_several_files_that_a_name_may_mean_none_is_taken(tmp_path: Path) -> None:
    for name in ("1.png", "1.jpg", "2.png"):
        picture(tmp_path / name)
    listing = read_manifest(table(tmp_path, ["1", "2"]))
    assert [listing.images.path(row).name for row in range(2)] == ["1", "2.png"]


def test_folders_are_not_left_out_of_paths_if_two_files_became_one(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    listing = read_manifest(table(tmp_path, ["/elsewhere/a/1.png", "/elsewhere/b/1.png"]))
    assert [str(listing.images.path(row)) for row in range(2)] == ["/elsewhere/a/1.png", "/elsewhere/b/1.png"]


def test_an_address_of_no_file_that_is_here_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    with pytest.raises(DataError, match=r"the address https://a\.b/2\.png; download the images"):
        read_manifest(table(tmp_path, ["1.png", "https://a.b/2.png"]))


@pytest.mark.parametrize("nothing", ["", "nan", "NaN", "<NA>"])
def test_rows_without_a_class_are_left_out_and_named(nothing: str, tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / f"{number}.png")
    path = tmp_path / "table.csv"
    path.write_text(f"path,class\n0.png,1.0\n1.png,{nothing}\n2.png,3.0\n,\n,2.0\n")
    listing = read_manifest(path)
    assert listing.classes == ("1", "3")
    assert [str(finding) for finding in listing.findings] == [
        f"{path}: row 2 (1.png): has no class; not used",
        f"{path}: row 4 (): has no path; not used",
    ]


def test_rows_that_repeat_count_once_and_rows_that_contradict_not_at_all(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / f"{number}.png")
    path = tmp_path / "table.csv"
    path.write_text(
        "path,class,split\n0.png,a,train\n0.png,a,train\n1.png,a,train\n1.png,b,train\n2.png,b,train\n3.png,a,train\n3.png,a,test\n"
    )
    listing = read_manifest(path)
    assert [listing.images.path(row).name for row in range(len(listing.labels))] == ["0.png", "2.png"]
    assert [str(finding) for finding in listing.findings] == [
        f"{path}: 1.png: is given several classes, a and b; not used",
        f"{path}: 3.png: is given several splits, test and train; not used",
    ]
    assert [str(note) for note in listing.notes] == [f"{path}: 1 row repeats another; each image is used once"]


def test_two_columns_are_paths_and_classes_only_if_classes_recur(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / f"{number}.png")
    path = tmp_path / "table.csv"
    path.write_text("file,sort\n0.png,x\n1.png,y\n2.png,x\n3.png,y\n")
    assert read_manifest(path).classes == ("x", "y")
    path.write_text("file,caption\n0.png,a cat\n1.png,a dog\n2.png,two cats\n3.png,two dogs\n")
    with pytest.raises(DataError, match="needs one column class or label; its columns: file, caption"):
        read_manifest(path)
