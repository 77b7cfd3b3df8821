"""The cells of a CSV file as spreadsheets and programs write them: any usual separator, encoding and end of line."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

from convsmith.errors import DataError

SEPARATORS = (",", ";", "\t", "|")

MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""What a file may begin with, and its encoding. UTF-32's is UTF-16's and more, so it comes first."""

OLD_ENCODINGS = ("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp932", "gb18030", "cp949", "big5")
"""What spreadsheets wrote before UTF-8, in the West, the East, Russia, Greece, Turkey, Japan, China, Korea, Taiwan."""

DIRECTIVE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
"""A first line by which Excel tells the separator."""

Table = list[list[str]]


def read_table(path: Path, header_fits: Callable[[list[str]], bool], fits: Callable[[Table], bool]) -> Table:
    """The rows of a CSV file, without blank ones, each cell stripped; none for an empty file.

    The separator is the one with which `header_fits` the first row, else the one that makes the most cells of it. Of
    the encodings that are possible, it is the first whose rows `fits` takes. Raises DataError if it is no CSV.
    """
    try:
        content = path.read_bytes()
        tables = [_table(text, header_fits) for text in _texts(content)]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV: {' '.join(str(error).split())}") from None
    return next((table for table in tables if fits(table)), tables[0])


def _texts(content: bytes) -> list[str]:
    """The text, in each encoding that is possible, the likeliest first. Raises ValueError if there is none."""
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return [content.decode(encoding)]
    if 3 * content[:100].count(b"\0") > len(content[:100]):
        return [content.decode("utf-16-le" if content[1:2] == b"\0" else "utf-16-be")]
    try:
        return [content.decode()]
    except UnicodeDecodeError:
        texts = [text for encoding in OLD_ENCODINGS if (text := _decoded(content, encoding)) is not None]
    if not texts:
        raise ValueError("its text is in no known encoding; save it as UTF-8")
    return texts


def _decoded(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _table(text: str, header_fits: Callable[[list[str]], bool]) -> Table:
    told = DIRECTIVE.match(text)
    if told:
        return _cells(text[told.end() :], told[1])
    first = text[: text.find("\n") + 1] or text
    headers = {separator: _cells(first, separator, strict=False) for separator in SEPARATORS}
    fitting = [separator for separator, rows in headers.items() if rows and header_fits(rows[0])]
    widest = max(SEPARATORS, key=lambda separator: len(headers[separator][0]) if headers[separator] else 0)
    return _cells(text, (fitting or [widest])[0])


def _cells(text: str, separator: str, strict: bool = True) -> Table:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=strict)
    stripped = [[cell.strip() for cell in row] for row in rows]
    return [row for row in stripped if any(row)]
