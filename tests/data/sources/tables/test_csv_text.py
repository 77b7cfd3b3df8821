"""Tables as spreadsheets in different countries and as labelling tools write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pictures import picture

from convsmith.data import open_dataset
from convsmith.data.sources.tables.manifest import read_manifest
from convsmith.errors import DataError

ROWS = [("a/Müller 1.png", "Übung"), ("a/b.png", "café"), ("c.png", "Übung")]


def table(separator: str = ",", end: str = "\n", head: tuple[str, str] = ("path", "class")) -> str:
    return end.join(separator.join(row) for row in (head, *ROWS)) + end


def write(folder: Path, content: bytes) -> Path:
    for file, _ in ROWS:
        picture(folder / file)
    (folder / "table.csv").write_bytes(content)
    return folder / "table.csv"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_and_ends_of_lines(tmp_path: Path, separator: str, end: str) -> None:
    listing = read_manifest(write(tmp_path, table(separator, end).encode()))
    assert listing.classes == ("café", "Übung")
    assert [listing.images.path(row).exists() for row in range(3)] == [True] * 3


@pytest.mark.parametrize(
    "content",
    [
        table().encode("utf-8-sig"),
        table("\t").encode("utf-16"),
        b"\xfe\xff" + table("\t").encode("utf-16-be"),
        table().encode("utf-16-le"),
        table().encode("utf-32"),
        table(";").encode("cp1252"),
        b"sep=;\r\n" + table(";", "\r\n").encode("cp1252"),
        ("sep=|\n" + table("|")).encode("utf-8-sig").replace(b"\xef\xbb\xbfsep", b"sep"),
    ],
)
def test_encodings_and_marks(tmp_path: Path, content: bytes) -> None:
    listing = read_manifest(write(tmp_path, content))
    assert listing.classes == ("café", "Übung")
    assert [listing.images.path(row).exists() for row in range(3)] == [True] * 3


@pytest.mark.parametrize(
    ("encoding", "name", "label"),
    [("cp1251", "Рыба.png", "рыба"), ("cp932", "猫の写真.png", "猫"), ("cp1250", "žluťoučký.png", "kůň")],
)
def test_the_encoding_is_the_one_in_which_the_files_are_there(
    tmp_path: Path, encoding: str, name: str, label: str
) -> None:
    picture(tmp_path / name)
    (tmp_path / "t.csv").write_bytes(f"path;class\n{name};{label}\nx.png;z\n".encode(encoding))
    listing = read_manifest(tmp_path / "t.csv")
    assert set(listing.classes) == {label, "z"}


def test_windows_paths_are_paths(tmp_path: Path) -> None:
    picture(tmp_path / "train/cat/1.png")
    picture(tmp_path / "odd\\name.png")
    (tmp_path / "t.csv").write_text("path,class\ntrain\\cat\\1.png,x\nodd\\name.png,y\n")
    listing = read_manifest(tmp_path / "t.csv")
    assert [listing.images.path(row).exists() for row in range(2)] == [True, True]


@pytest.mark.parametrize(
    "text",
    [
        "Image Path,Class\na.png,1\nb.png,0\n",
        "filename,label\nb.png,0.0\na.png,1.0\n",
        "FileName,Category,width\na.png,1,3\nb.png,0,3\n",
        "label,img_path\n1,a.png\n0,b.png\n",
        "a.png,1\nb.png,0\n",
        "path,class,,\na.png,1,,\nb.png,0,,\n",
        '"path", "class"\n"a.png", "1"\n"b.png", "0"\n',
        "filename, 0, 1\na.png, 0, 1\nb.png, 1, 0\n",
        "filename,0,1,split\na.png,0.0,1.0,train\nb.png,1.0,0.0,train\n",
    ],
)
def test_columns_by_their_usual_names(tmp_path: Path, text: str) -> None:
    for name in "ab":
        picture(tmp_path / f"{name}.png")
    (tmp_path / "t.csv").write_text(text)
    listing = read_manifest(tmp_path / "t.csv")
    assert listing.classes == ("0", "1")
    assert listing.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("path,cat,dog\na.png,1,1\n", "row 1 has 2 classes, cat, dog; expected one"),
        ("path,cat\na.png,1\n", "needs one column class or label; its columns: path, cat"),
        ("path,path,class\na.png,b.png,x\n", "has two columns path"),
        ("file,img,class\na.png,b.png,x\n", "needs one column path or image; it has file, img"),
        ("path,class\nhttps://a.b/c.png,x\n", "a row has the address https://a.b/c.png; download the images"),
        ("path;class\na.png;x;y\n", "row 1 has 3 cells, the header 2"),
    ],
)
def test_what_is_wrong_says_what_was_found(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=complaint):
        read_manifest(tmp_path / "t.csv")


def test_rows_of_no_class_are_left_out_and_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,cat,dog\na.png,1,0\nb.png,0,0\nc.png,0,1\n")
    listing = read_manifest(tmp_path / "t.csv")
    assert listing.labels.tolist() == [0, 1]
    assert [str(finding) for finding in listing.findings] == [
        f"{tmp_path / 't.csv'}: row 2 (b.png): has no class; not used"
    ]


def test_tables_of_tabs_open_by_their_suffix(tmp_path: Path) -> None:
    for name in "abcdef":
        picture(tmp_path / f"{name}.png", (ord(name), 0, 0))
    rows = "".join(f"{name}.png\t{'xy'[number % 2]}\n" for number, name in enumerate("abcdef"))
    (tmp_path / "t.tsv").write_text("path\tclass\n" + rows)
    assert open_dataset(tmp_path / "t.tsv").classes == ("x", "y")


@pytest.mark.parametrize("place", ["table", "working folder", "above", "images"])
def test_paths_lead_from_where_the_files_are(tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "project/data"
    here.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    roots = {"table": here, "working folder": tmp_path / "elsewhere", "above": here.parent, "images": here / "images"}
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name in "ab":
        picture(roots[place] / f"x/{name}.png")
    (here / "t.csv").write_text("path,class\nx/a.png,1\nx/b.png,2\n")
    listing = read_manifest(here / "t.csv")
    assert [listing.images.path(row).is_file() for row in range(2)] == [True, True]
    assert bool(listing.notes) == (place != "table")
