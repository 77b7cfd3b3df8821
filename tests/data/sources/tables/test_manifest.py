from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, strategies as st
from pictures import picture
from pyarrow import parquet

from convsmith.data.sources.tables.manifest import read_manifest
from convsmith.errors import DataError


def csv(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding=encoding)
    return path


def paths(listing) -> list[str]:
    return [str(listing.images.path(row)) for row in range(len(listing.labels))]


def test_a_table_names_paths_classes_and_splits(tmp_path: Path) -> None:
    table = 'path,class,split\n"b, 1.png",cat,train\nsub/a.png,dog,valid\nc.png,cat,test\n'
    listing = read_manifest(csv(tmp_path, table))
    assert listing.classes == ("cat", "dog")
    assert paths(listing) == [str(tmp_path / name) for name in ("b, 1.png", "c.png", "sub/a.png")]
    assert {name: rows.tolist() for name, rows in listing.rows.items()} == {"train": [0], "val": [2], "test": [1]}


def test_spreadsheets_marks_blank_lines_and_other_columns_do_not_matter(tmp_path: Path) -> None:
    text = " image , label ,width\r\n a.png , cat ,3\r\n\r\nb.png,dog,4\r\n"
    listing = read_manifest(csv(tmp_path, text, "utf-8-sig"))
    assert listing.classes == ("cat", "dog")
    assert listing.rows.keys() == {"train"}


@given(st.permutations([("a.png", "x"), ("b.png", "y"), ("c.png", "x"), ("d.png", "y")]))
def test_the_order_of_the_rows_does_not_matter(tmp_path_factory: pytest.TempPathFactory, rows) -> None:
    text = "path,class\n" + "\n".join(map(",".join, rows))
    listing = read_manifest(csv(tmp_path_factory.mktemp("table"), text))
    assert [Path(path).name for path in paths(listing)] == ["a.png", "b.png", "c.png", "d.png"]
    assert listing.labels.tolist() == [0, 1, 0, 1]


def test_parquet_says_the_same(tmp_path: Path) -> None:
    columns = {"path": ["b.png", "a.png"], "label": [10, 9], "split": ["test", "train"], "pixels": [b"1", b"2"]}
    parquet.write_table(pa.table(columns), tmp_path / "table.parquet")
    listing = read_manifest(tmp_path / "table.parquet")
    assert listing.classes == ("9", "10")
    assert listing.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "needs one column path or image; its columns: none"),
        ("path,kind\na,b\n", "needs one column class or label; its columns: path, kind"),
        ("path,class,label\na,b,c\n", "needs one column class or label"),
        ("path,class\n", "has no rows; expected one for each image"),
        ("path,class\na.png\n", "row 1 has 1 cells, the header 2"),
        ("path,class\na.png,\n", "none of its 1 rows has all it needs; .*row 1 .*has no class"),
        (
            "path,class\na.png,x\na.png,y\n",
            "contradict each other for every image; .*a.png: is given several classes, x and y",
        ),
        ("path,class,split\na.png,x,odd\n", "unknown split 'odd'; known: train, val"),
        ('path,class\n"a.png,x\n', "cannot be read as CSV"),
        ("path,class\na\0.png,x\n", "cannot be read as CSV|zero byte"),
    ],
)
def test_a_table_that_is_wrong_says_where(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint) as caught:
        read_manifest(csv(tmp_path, text))
    assert str(tmp_path / "table.csv") in str(caught.value)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_an_error_of_one_line(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("junk")
    for name in ("table.csv", "table.parquet"):
        (folder / name).write_bytes(data)
        try:
            read_manifest(folder / name)
        except DataError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train.txt", "b 1.png 1\na.png 0\n"),
        ("train.txt", "\ufeffa.png\t0\r\nb 1.png\t1\r\n"),
        ("train.txt", "path,class\na.png,0\nb 1.png,1\n"),
        ("train.lst", "0\t0.000000\ta.png\n1\t1.000000\tb 1.png\n"),
    ],
)
def test_lists_of_other_programs_are_tables(tmp_path: Path, name: str, text: str) -> None:
    for file in ("a.png", "b 1.png"):
        picture(tmp_path / file)
    (tmp_path / name).write_text(text)
    listing = read_manifest(tmp_path / name)
    assert [Path(path).name for path in paths(listing)] == ["a.png", "b 1.png"]
    assert listing.labels.tolist() == [0, 1]


def test_a_text_that_is_no_list_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello to all\n")
    with pytest.raises(DataError, match="needs one column path or image; its columns: hello to all"):
        read_manifest(tmp_path / "notes.txt")
