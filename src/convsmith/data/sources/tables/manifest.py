"""A table of images: CSV, lines of JSON or Parquet; a row for each, with its path and its class."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from convsmith.data.dataset import Finding
from convsmith.data.images import FileImages, packed
from convsmith.data.sources.listing import Listing, rows_by_split
from convsmith.data.sources.naming.class_names import name_classes
from convsmith.data.sources.tables.csv_text import Table, read_table
from convsmith.data.sources.tables.located import ADDRESS, Located, locate
from convsmith.data.sources.walk import has_image_name
from convsmith.errors import DataError

PATH_COLUMNS = ("path", "image")
CLASS_COLUMNS = ("class", "label")
OTHER_PATH_COLUMNS = (
    *("file", "filename", "file_name", "filepath", "file_path", "image_path", "img_path", "image_name", "img"),
    *("image_file", "image_filename", "img_name", "images", "paths", "files"),
)
ID_COLUMNS = ("image_id", "imageid", "img_id", "id_code", "image_uri", "uri", "photo", "photo_id", "id")
"""Columns of paths, if there are no others: names of files, often without their endings."""

OTHER_CLASS_COLUMNS = ("class_name", "label_name", "category", "target", "classes", "labels")
ANSWER_COLUMNS = ("choice", "breed", "species", "diagnosis", "ground_truth", "annotation", "y")
SPLIT_COLUMNS = ("split", "subset", "fold", "set")

YES, NO = frozenset(("1", "1.0", "true", "yes")), frozenset(("0", "0.0", "false", "no", ""))
"""What labelling tools write into a column for each class."""

MISSING = frozenset(("", "nan", "<na>"))
"""What programs write where a cell is missing."""

WHOLE = re.compile(r"\d+\.0+")
"""A number of a class, as programs write it that hold all numbers as floats."""

Columns = dict[str, list[str]]


class Row(NamedTuple):
    file: str
    label: str
    split: str


@dataclass(frozen=True)
class Rows:
    """The rows of a table, their files as paths from `root`; what was left out, and what else is to be said."""

    rows: Sequence[Row]
    root: Path
    findings: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()


def read_manifest(path: Path) -> Listing:
    """Reads a table with the columns `path` (or `image`), `class` (or `label`) and, if there, `split`.

    Other usual names of these columns are taken too, in capitals or not. Instead of a column of classes there may be
    one for each class, of 0 and 1. For where paths lead, see `locate`. The files are not opened. The order of the rows
    does not matter. Rows that lack something are left out, and so are images that two rows say different things of.
    Raises DataError naming the table, and the column that is missing.
    """
    return listing_of(rows_of(path), path)


def rows_of(path: Path) -> Rows:
    """The rows of a table that have all they need, in order. Raises DataError if it is no table of images."""
    columns = _COLUMNS_OF.get(path.suffix.lower(), _read_csv)(path)
    files = _column(path, columns, PATH_COLUMNS, OTHER_PATH_COLUMNS, ID_COLUMNS)
    if files is None:
        raise DataError(f"{path} needs one column path or image; its columns: {_shown(columns)}")
    if not columns[files]:
        raise DataError(f"{path} has no rows; expected one for each image")
    split = next((name for name in columns if _plain(name) in SPLIT_COLUMNS), None)
    splits = columns[split] if split is not None else ["train"] * len(columns[files])
    labels = _labels(path, columns, {files, split})
    findings, rows = [], []
    for number, (file, label, part) in enumerate(zip(columns[files], labels, splits, strict=True), 1):
        cells = (("path", file), ("class", label), ("split", part))
        missing = [what for what, value in cells if value is None or value.lower() in MISSING]
        if missing:
            findings.append(Finding(f"{path}: row {number} ({file})", f"has no {' and no '.join(missing)}; not used"))
            continue
        if "\0" in file:
            raise DataError(f"{path}: row {number} has a path with a zero byte")
        rows.append(Row(file, str(label), part))
    if not rows:
        raise DataError(f"{path}: none of its {len(labels):,} rows has all it needs; the first: {findings[0]}")
    located = locate(path, [row.file for row in rows])
    _check_addresses(path, rows, located)
    found = [row._replace(file=file) for row, file in zip(rows, located.files, strict=True)]
    return Rows(found, located.root, tuple(findings), located.notes)


def _check_addresses(path: Path, rows: Sequence[Row], located: Located) -> None:
    """Raises DataError for an address of which no file is here."""
    for row, file in zip(rows, located.files, strict=True):
        if ADDRESS.match(row.file) and not (located.root / file).is_file():
            raise DataError(f"{path}: a row has the address {row.file}; download the images and give their paths")


def listing_of(table: Rows, where: Path) -> Listing:
    """What the rows of a table list, in the order of the files. Raises DataError for a split of an unknown name."""
    findings, notes = list(table.findings), list(table.notes)
    rows = _each_once(table.rows, str(where), findings, notes)
    if not rows:
        raise DataError(f"{where}: rows contradict each other for every image; the first: {findings[0]}")
    splits = [row.split for row in rows]
    named = name_classes([row.label for row in rows], str(where), splits)
    images = FileImages(table.root, packed(row.file for row in rows))
    by_split = rows_by_split(splits, str(where))
    told = (*notes, *named.notes)
    return Listing(where.stem, named.classes, images, named.labels, by_split, where, tuple(findings), told)


def _each_once(rows: Sequence[Row], where: str, findings: list[Finding], notes: list[Finding]) -> list[Row]:
    """The rows by path, one for each; none for an image of which rows say different things."""
    kept, repeated = [], 0
    for file, group in groupby(sorted(rows), key=attrgetter("file")):
        same = list(group)
        labels, splits = sorted({row.label for row in same}), sorted({row.split for row in same})
        if len(labels) > 1 or len(splits) > 1:
            what, names = ("classes", labels) if len(labels) > 1 else ("splits", splits)
            told = f"{', '.join(names[:-1])} and {names[-1]}"
            findings.append(Finding(f"{where}: {file}", f"is given several {what}, {told}; not used"))
            continue
        kept.append(same[0])
        repeated += len(same) - 1
    if repeated:
        count = "1 row repeats another" if repeated == 1 else f"{repeated:,} rows repeat others"
        notes.append(Finding(where, f"{count}; each image is used once"))
    return kept


def _labels(path: Path, columns: Columns, others: set[str | None]) -> Sequence[str | None]:
    """The class of each row, from the one column of classes or from one for each class; None for no class."""
    found = _column(path, columns, CLASS_COLUMNS, OTHER_CLASS_COLUMNS, ANSWER_COLUMNS)
    if found is not None:
        return _whole(columns[found])
    classes = [
        name
        for name, values in columns.items()
        if name not in others and name and {value.lower() for value in values} <= YES | NO
    ]
    if len(classes) < 2:
        left = [name for name in columns if name and name not in others]
        if len(left) == 1 and 2 * len(set(columns[left[0]])) <= len(columns[left[0]]):
            return _whole(columns[left[0]])
        raise DataError(f"{path} needs one column class or label; its columns: {_shown(columns)}")
    labels: list[str | None] = []
    for number, cells in enumerate(zip(*(columns[name] for name in classes), strict=True), 1):
        chosen = [name for name, cell in zip(classes, cells, strict=True) if cell.lower() in YES]
        if len(chosen) > 1:
            raise DataError(f"{path}: row {number} has {len(chosen)} classes, {', '.join(chosen[:3])}; expected one")
        labels.append(chosen[0] if chosen else None)
    return labels


def _whole(values: list[str]) -> list[str]:
    """Classes that are all whole numbers, written as such: programs that hold missing ones write 3.0 for 3."""
    whole = any(values) and all(value.lower() in MISSING or WHOLE.fullmatch(value) for value in values)
    return [value.partition(".")[0] for value in values] if whole else values


def _column(path: Path, columns: Columns, *ranks: Sequence[str]) -> str | None:
    """The column of one of the names; of later names only where there is none of earlier ones. Raises DataError if
    there are several."""
    for wanted in ranks:
        found = [name for name in columns if _plain(name) in wanted]
        if len(found) > 1:
            raise DataError(f"{path} needs one column {' or '.join(ranks[0])}; it has {', '.join(found)}")
        if found:
            return found[0]
    return None


def _plain(name: str) -> str:
    return name.lower().replace(" ", "_")


def _shown(columns: Columns) -> str:
    return ", ".join(columns) or "none"


def _read_csv(path: Path) -> Columns:
    def is_file(name: str) -> bool:
        plain = name.replace("\\", "/")
        return "\0" not in name and len(name) < 4096 and any((path.parent / one).is_file() for one in (name, plain))

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
    return any(_plain(cell) in (*PATH_COLUMNS, *OTHER_PATH_COLUMNS, *ID_COLUMNS) for cell in cells)


def _read_json_lines(path: Path) -> Columns:
    """An object a line, as the Hugging Face hub's `metadata.jsonl`; fields that hold lists or objects do not count."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        objects = [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as lines of JSON: {' '.join(str(error).split())}") from None
    if not all(isinstance(one, Mapping) for one in objects):
        raise DataError(f"{path} cannot be read as lines of JSON: a line is not an object")
    names = dict.fromkeys(name for one in objects for name in one)
    plain = [name for name in names if not any(isinstance(one.get(name), list | dict) for one in objects)]
    return {name: [_text(one.get(name)) for one in objects] for name in plain}


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


def _read_list(path: Path) -> Columns:
    """Lines of a path and a class with a blank between, as of Caffe; or of a number, a class and a path with tabs
    between, as of MXNet; else a CSV under another name."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, ValueError):
        return _read_csv(path)
    triples = [line.split("\t") for line in lines if line]
    if triples and all(len(cells) == 3 and cells[0].isdecimal() for cells in triples):
        return {"path": [cells[2] for cells in triples], "class": [cells[1] for cells in triples]}
    pairs = [line.rsplit(maxsplit=1) for line in lines if line]
    if pairs and all(len(cells) == 2 for cells in pairs) and has_image_name(pairs[0][0]):
        return {"path": [cells[0] for cells in pairs], "class": [cells[1] for cells in pairs]}
    return _read_csv(path)


_COLUMNS_OF = {".parquet": _read_parquet, ".jsonl": _read_json_lines, ".txt": _read_list, ".lst": _read_list}


def _holds_bytes(pa: object, kind: object) -> bool:
    types = pa.types  # type: ignore[attr-defined]
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_nested(kind))


def _text(value: object) -> str:
    return "" if value is None else str(value)
