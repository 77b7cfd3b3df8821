"""Predictions as a table in a file, a row for each image, written as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol, cast

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import csv, parquet

from convsmith.deploy.predict import Prediction
from convsmith.errors import UsageError
from convsmith.files import replacing
from convsmith.records import json_text

ROWS = 4096
"""Rows that are written together."""

FORMATS = (".csv", ".jsonl", ".parquet")


class _Writer(Protocol):
    """What takes the table, some rows at a time."""

    def write_table(self, table: Any) -> None: ...
    def close(self) -> None: ...


class _JsonLines:
    """A JSON object for each row, as `pandas.read_json(lines=True)` reads them."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write_table(self, table: Any) -> None:
        for row in table.to_pylist():
            self._file.write(json_text(row).encode() + b"\n")

    def close(self) -> None:
        pass


@contextmanager
def prediction_file(path: Path, guesses: int) -> Iterator[Callable[[Prediction], None]]:
    """Within, what appends a prediction of `guesses` classes at most to a new CSV, JSON Lines or Parquet file.

    The file gets its name when all is written; until then, and if anything fails, what was there stays.
    Raises UsageError for another suffix or a missing folder, OutputError if writing fails.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: predictions are written to {', '.join(FORMATS)}")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; give a file")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: no folder {path.parent}")
    with replacing(path) as temporary, temporary.open("wb") as file:
        table = _Table(path.suffix.lower(), file, guesses)
        try:
            yield table.append
            table.finish()
        finally:
            table.close()


class _Table:
    """Rows that wait to be written, and the file that they go to."""

    def __init__(self, suffix: str, file: IO[bytes], guesses: int) -> None:
        self._columns = columns_of(guesses)
        self._rows: list[dict[str, Any]] = []
        self._writer = _writer(suffix, file, self._columns)

    def append(self, prediction: Prediction) -> None:
        self._rows.append(_row(prediction))
        if len(self._rows) == ROWS:
            self._write()

    def finish(self) -> None:
        """Writes the rows that wait, and the file's end."""
        self._write()
        self._writer.close()

    def close(self) -> None:
        """Closes the writer after a failure: one that is left open would complain about the file later."""
        with suppress(Exception):
            self._writer.close()

    def _write(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, self._columns))
        self._rows.clear()


def columns_of(guesses: int) -> Any:
    """The table's columns: `image`; `error`, null where the image could be read; and for each guess, from the likeliest
    on, `class_1` and `probability_1`, null where it could not."""
    pairs = [((f"class_{i}", pa.string()), (f"probability_{i}", pa.float32())) for i in range(1, guesses + 1)]
    return pa.schema([("image", pa.string()), ("error", pa.string()), *(column for pair in pairs for column in pair)])


def _row(prediction: Prediction) -> dict[str, Any]:
    row: dict[str, Any] = {"image": prediction.image, "error": prediction.error}
    for i, guess in enumerate(prediction.guesses, 1):
        row |= {f"class_{i}": guess.label, f"probability_{i}": guess.probability}
    return row


def _writer(suffix: str, file: IO[bytes], columns: Any) -> _Writer:
    match suffix:
        case ".csv":
            return cast(_Writer, csv.CSVWriter(file, columns))
        case ".parquet":
            return cast(_Writer, parquet.ParquetWriter(file, columns))
    return _JsonLines(file)
