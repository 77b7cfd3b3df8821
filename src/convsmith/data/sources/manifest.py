"""A table of images: CSV or Parquet, a row for each, with its path and its class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from convsmith.data.dataset import Finding
from convsmith.data.images import FileImages, packed
from convsmith.data.sources.csv_text import Table, read_table
from convsmith.data.sources.listing import Listing, rows_by_split
from convsmith.data.sources.naming.class_names import name_classes
from convsmith.data.sources.walk import entries
from convsmith.errors import DataError

PATH_COLUMNS = ("path", "image")
CLASS_COLUMNS = ("class", "label")
OTHER_PATH_COLUMNS = (
    *("file", "filename", "file_name", "filepath", "file_path", "image_path", "img_path", "image_name", "img"),
    *("image_file", "images", "paths", "files"),
)
OTHER_CLASS_COLUMNS = ("class_name", "label_name", "category", "target", "classes", "labels")
SPLIT_COLUMNS = ("split", "subset", "fold", "set")

YES, NO = frozenset(("1", "1.0", "true", "yes")), frozenset(("0", "0.0", "false", "no", ""))
"""What labelling tools write into a column for each class."""

WHOLE = re.compile(r"\d+\.0+")
"""A number of a class, as programs write it that hold all numbers as floats."""

TRIED_PATHS, TRIED_FOLDERS = 20, 50

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)

Columns = dict[str, list[str]]


class _Row(NamedTuple):
    file: str
    label: str
    split: str


def read_manifest(path: Path) -> Listing:
    """Reads a table with the columns `path` (or `image`), `class` (or `label`) and, if there, `split`.

    Other usual names of these columns are taken too, in capitals or not. Instead of a column of classes there may be
    one for each class, of 0 and 1. Paths, with slashes or backslashes, are relative to the table's folder, or where
    none is there, to the working folder, the one above or one in it. The files are not opened. The order of the rows
    does not matter. Raises DataError naming the table, and the row or the column that is missing.
    """
    columns = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    findings: list[Finding] = []
    rows = _rows(path, columns, findings)
    for row, following in pairwise(rows):
        if row.file == following.file:
            raise DataError(f"{path} names {row.file} twice; an image belongs to one class and one split")
    splits = [row.split for row in rows]
    named = name_classes([row.label for row in rows], str(path), splits)
    root = _root(path.parent, [row.file for row in rows])
    notes = named.notes
    if root != path.parent:
        notes = (*notes, Finding(str(path), f"its paths lead from {root.resolve()}"))
    images = FileImages(root, packed(row.file for row in rows))
    by_split = rows_by_split(splits, str(path))
    return Listing(path.stem, named.classes, images, named.labels, by_split, path, tuple(findings), notes)


def _root(folder: Path, files: Sequence[str]) -> Path:
    """Where paths lead from: the table's folder, or if none of the first is there, one around or in it."""

    def leads(root: Path) -> bool:
        with suppress(OSError, ValueError):
            return any((root / file).is_file() for file in files[:TRIED_PATHS])
        return False

    if leads(folder):
        return folder
    inner = [folder / name for name in entries(folder, folders=True)[:TRIED_FOLDERS]]
    return next(filter(leads, (Path(), folder.parent, *inner)), folder)


def _rows(path: Path, columns: Columns, findings: list[Finding]) -> list[_Row]:
    """The rows by path. Raises DataError for one that is not whole."""
    files = _column(path, columns, PATH_COLUMNS, OTHER_PATH_COLUMNS)
    if files is None:
        raise DataError(f"{path} needs one column path or image; its columns: {_shown(columns)}")
    if not columns[files]:
        raise DataError(f"{path} has no rows; expected one for each image")
    split = next((name for name in columns if _plain(name) in SPLIT_COLUMNS), None)
    splits = columns[split] if split is not None else ["train"] * len(columns[files])
    labels = _labels(path, columns, {files, split})
    rows = []
    for number, cells in enumerate(zip(columns[files], labels, splits, strict=True), 1):
        file, label, part = cells
        if label is None:
            findings.append(Finding(f"{path}: row {number} ({file})", "has no class; not used"))
            continue
        if not (file and label and part):
            raise DataError(
                f"{path}: row {number} has an empty cell; each needs a path, a class and, if given, a split"
            )
        if "\0" in file:
            raise DataError(f"{path}: row {number} has a path with a zero byte")
        if ADDRESS.match(file):
            raise DataError(f"{path}: row {number} has the address {file}; download the images and give their paths")
        rows.append(_Row(_local(path.parent, file), label, part))
    return sorted(rows)


def _labels(path: Path, columns: Columns, others: set[str | None]) -> Sequence[str | None]:
    """The class of each row, from the one column of classes or from one for each class; None for no class."""
    found = _column(path, columns, CLASS_COLUMNS, OTHER_CLASS_COLUMNS)
    if found is not None:
        values = columns[found]
        whole = all(WHOLE.fullmatch(value) for value in values)
        return [value.partition(".")[0] for value in values] if whole else values
    classes = [
        name
        for name, values in columns.items()
        if name not in others and name and {value.lower() for value in values} <= YES | NO
    ]
    if len(classes) < 2:
        raise DataError(f"{path} needs one column class or label; its columns: {_shown(columns)}")
    labels: list[str | None] = []
    for number, cells in enumerate(zip(*(columns[name] for name in classes), strict=True), 1):
        chosen = [name for name, cell in zip(classes, cells, strict=True) if cell.lower() in YES]
        if len(chosen) > 1:
            raise DataError(f"{path}: row {number} has {len(chosen)} classes, {', '.join(chosen[:3])}; expected one")
        labels.append(chosen[0] if chosen else None)
    return labels


def _column(path: Path, columns: Columns, names: Sequence[str], others: Sequence[str]) -> str | None:
    """The column of one of the names, or if there is none, of one of the others. Raises DataError if there are more."""
    for wanted in (names, others):
        found = [name for name in columns if _plain(name) in wanted]
        if len(found) > 1:
            raise DataError(f"{path} needs one column {' or '.join(names)}; it has {', '.join(found)}")
        if found:
            return found[0]
    return None


def _plain(name: str) -> str:
    return name.lower().replace(" ", "_")


def _shown(columns: Columns) -> str:
    return ", ".join(columns) or "none"


def _local(folder: Path, file: str) -> str:
    """The path, its backslashes as slashes unless a file has them in its name."""
    return file.replace("\\", "/") if "\\" in file and not (folder / file).exists() else file


def _read_csv(path: Path) -> Columns:
    def is_file(name: str) -> bool:
        return "\0" not in name and len(name) < 4096 and (path.parent / _local(path.parent, name)).is_file()

    def some_file(table: Table) -> bool:
        return len(table) > 1 and any(is_file(cell) for cell in table[1])

    table = read_table(path, _is_header, some_file)
    if not table:
        return {}
    if not _is_header(table[0]) and len(table[0]) in (2, 3) and is_file(table[0][0]):
        table = [["path", "class", "split"][: len(table[0])], *table]
    header = table[0]
    while header and not header[-1]:
        header = header[:-1]
    for number, row in enumerate(table[1:], 1):
        if len(row) < len(header) or any(row[len(header) :]):
            raise DataError(f"{path}: row {number} has {len(row)} cells, the header {len(header)}")
    twice = next((name for name, following in pairwise(sorted(header)) if name == following and name), None)
    if twice is not None:
        raise DataError(f"{path} has two columns {twice}")
    return {name: [row[place] for row in table[1:]] for place, name in enumerate(header)}


def _is_header(cells: Sequence[str]) -> bool:
    """Whether a row names a column of paths."""
    return any(_plain(cell) in (*PATH_COLUMNS, *OTHER_PATH_COLUMNS) for cell in cells)


def _read_parquet(path: Path) -> Columns:
    # Here, because only Parquet needs it, and it takes 50 ms.
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            plain = [field.name for field in file.schema_arrow if not _holds_bytes(pa, field.type)]
            table = file.read(columns=plain)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {' '.join(str(error).split())}") from None
    return {name: [_text(value) for value in table.column(name).to_pylist()] for name in plain}


def _holds_bytes(pa: object, kind: object) -> bool:
    types = pa.types  # type: ignore[attr-defined]
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_nested(kind))


def _text(value: object) -> str:
    return "" if value is None else str(value)
