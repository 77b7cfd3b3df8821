"""A table of images: CSV or Parquet, a row for each, with its path and its class."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from convsmith.data.images import FileImages, packed
from convsmith.data.sources.listing import Listing, labelled, rows_by_split
from convsmith.errors import DataError

PATH = ("path", "image")
CLASS = ("class", "label")
SPLIT = "split"

Columns = dict[str, list[str]]


def read_manifest(path: Path) -> Listing:
    """Reads a table with the columns `path` (or `image`), `class` (or `label`) and, if there, `split`.

    Paths are relative to the table's folder; the files are not opened. The order of the rows does not matter. Raises
    DataError naming the table, and the row or the column that is missing.
    """
    columns = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    files, labels = _column(path, columns, PATH), _column(path, columns, CLASS)
    splits = columns.get(SPLIT, ["train"] * len(files))
    if not files:
        raise DataError(f"{path} has no rows; expected one for each image")
    for row, cells in enumerate(zip(files, labels, splits, strict=True), 1):
        if not all(cells):
            raise DataError(f"{path}: row {row} has an empty cell; each needs a path, a class and, if given, a split")
        if "\0" in cells[0]:
            raise DataError(f"{path}: row {row} has a path with a zero byte, which no file has")
    rows = sorted(zip(files, labels, splits, strict=True))
    for (file, *_), (following, *_) in pairwise(rows):
        if file == following:
            raise DataError(f"{path} names {file} twice; an image belongs to one class and one split")
    files, labels, splits = (list(column) for column in zip(*rows, strict=True))
    classes, indices = labelled(labels, str(path))
    images = FileImages(path.parent, packed(files))
    return Listing(path.stem, classes, images, indices, rows_by_split(splits, str(path)), path)


def _read_csv(path: Path) -> Columns:
    try:
        # utf-8-sig, for spreadsheets begin a file with a mark.
        with path.open(newline="", encoding="utf-8-sig") as stream:
            header, *rows = list(csv.reader(stream, strict=True)) or [[]]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV: {error}") from None
    rows = [row for row in rows if row]
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise DataError(f"{path}: row {number} has {len(row)} cells, the header {len(header)}")
    return {name.strip(): [row[i].strip() for row in rows] for i, name in enumerate(header)}


def _read_parquet(path: Path) -> Columns:
    # Here, for only Parquet needs it, and it takes 50 ms.
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            wanted = [name for name in file.schema_arrow.names if name in (*PATH, *CLASS, SPLIT)]
            table = file.read(columns=wanted)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {' '.join(str(error).split())}") from None
    return {name: ["" if v is None else str(v) for v in table.column(name).to_pylist()] for name in wanted}


def _column(path: Path, columns: Columns, names: Sequence[str]) -> list[str]:
    found = [name for name in names if name in columns]
    if len(found) != 1:
        wanted, there = " or ".join(names), ", ".join(columns) or "none"
        raise DataError(f"{path} needs one column {wanted}; its columns: {there}")
    return columns[found[0]]
