"""A folder of images whose classes stand in tables: as Kaggle, Roboflow and the Hugging Face hub have them."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from convsmith.data.dataset import Finding
from convsmith.data.sources.listing import Listing
from convsmith.data.sources.naming.split_names import WORD, split_in, split_of
from convsmith.data.sources.tables.manifest import Row, Rows, listing_of, rows_of
from convsmith.data.sources.walk import entries
from convsmith.errors import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl")

ANSWERS = frozenset(("submission", "sample", "predictions"))
"""Words in the names of tables whose classes are not to be learned."""


def read_tables(folder: Path) -> Listing | None:
    """Lists a folder by the tables in it that name images and classes, or by one in each folder of a split; None where
    there are none. Of tables that are called like splits, each is that split's.

    Raises DataError where it is unclear which table counts.
    """
    tables = _tables_in(folder)
    parts = [(split_in(path.stem), path, rows) for path, rows in tables.items()]
    if not parts:
        inner = ((split_of(name), folder / name) for name in entries(folder, folders=True))
        parts = [(split, *table) for split, place in inner if split for table in _tables_in(place).items()]
    if not parts:
        return None
    splits = [split for split, _, _ in parts]
    if len(parts) > 1 and (None in splits or len(set(splits)) < len(splits)):
        names = ", ".join(str(path.relative_to(folder)) for _, path, _ in parts[:5])
        raise DataError(f"{folder}: {names} each name images and their classes; give the one that counts")
    rows: list[Row] = []
    notes: list[Finding] = []
    findings: list[Finding] = []
    for split, path, found in parts:
        there = os.path.relpath(found.root, folder)
        moved = (row._replace(file=os.path.normpath(os.path.join(there, row.file))) for row in found.rows)  # noqa: PTH118
        rows += [row if split is None or len(parts) == 1 else row._replace(split=split) for row in moved]
        notes += [*found.notes, Finding(str(folder), f"the classes are those of {path.relative_to(folder)}")]
        findings += found.findings
    whole = Rows(rows, folder, tuple(findings), tuple(notes))
    return replace(listing_of(whole, folder), name=folder.resolve().name, root=folder)


def _tables_in(folder: Path) -> dict[Path, Rows]:
    """The tables in a folder that lead to images, with their rows."""
    found = {}
    for name in entries(folder, folders=False):
        if not name.lower().endswith(SUFFIXES) or ANSWERS & {word.lower() for word in WORD.findall(name)}:
            continue
        with suppress(DataError):
            rows = rows_of(folder / name)
            if any((rows.root / row.file).is_file() for row in rows.rows[:20]):
                found[folder / name] = rows
    return found
