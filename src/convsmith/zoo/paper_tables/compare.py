"""A paper's table and ours beside it: each figure equal, explained, or not measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from convsmith.errors import UnknownNameError, UsageError
from convsmith.records import to_json
from convsmith.zoo.certify import Verdict
from convsmith.zoo.paper_tables.architecture import Ours, architecture
from convsmith.zoo.paper_tables.measures import ACCURACY, measured
from convsmith.zoo.paper_tables.printed import (
    ALL,
    Count,
    PrintedColumn,
    PrintedRow,
    PrintedTable,
    printed_table,
    table_names,
)

EMPTY = ("", "-")
"""What papers print where they have no figure."""

NOTHING = "none"
"""Our cell where our network has nothing of the kind."""

TRAINING = "weights trained as in the paper, and its images"
"""What accuracies take."""

SEVERITY: tuple[Verdict, ...] = ("differs", "explained", "not measured", "equal")
"""A row's verdict is the first of these that one of its figures has, leaving out columns that are never measured."""


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """One figure: as printed, and ours rounded as that is. `exact` is ours unrounded, where it is a number."""

    column: str
    paper: str
    ours: str
    verdict: Verdict
    why: str = ""
    exact: float | None = None


@dataclass(frozen=True)
class ComparedRow:
    """A row: the cells as printed, and its figures; cells that are no figures (names, notes) are not among these."""

    cells: tuple[str, ...]
    figures: tuple[ComparedFigure, ...]
    verdict: Verdict


@dataclass(frozen=True)
class PaperTable:
    """A paper's table, every figure with its verdict."""

    name: str
    title: str
    source: str
    columns: tuple[str, ...]
    rows: tuple[ComparedRow, ...]

    def __str__(self) -> str:
        from convsmith.zoo.paper_tables.text import text_of

        return text_of(self)

    def to_json(self) -> dict[str, Any]:
        """The table as JSON values."""
        made: dict[str, Any] = to_json(self)
        return made

    def is_recomputed(self, column: str) -> bool:
        """Whether any figure of a column is."""
        verdicts = {f.verdict for row in self.rows for f in row.figures if f.column == column}
        return not verdicts <= {"not measured", "no figure"}


def paper_table(name: str) -> PaperTable:
    """A paper's table by name (`table_names`), with ours recomputed. Raises UnknownNameError with the nearest names."""
    return compare_table(name, printed_table(name))


def compare_table(name: str, table: PrintedTable) -> PaperTable:
    """A printed table with ours beside. A figure that is not ours and has no explanation "differs"."""
    ours = architecture(table) if table.architecture else [_measured_row(table, row) for row in table.rows]
    figures = [tuple(_figures(table, row, cells)) for row, cells in zip(table.rows, ours, strict=True)]
    recomputed = {f.column for row in figures for f in row if f.verdict not in ("not measured", "no figure")}
    rows = tuple(
        ComparedRow(row.cells, row_figures, _row_verdict(row_figures, recomputed))
        for row, row_figures in zip(table.rows, figures, strict=True)
    )
    return PaperTable(name, table.title, table.source, tuple(column.title for column in table.columns), rows)


def paper_tables(pattern: str) -> list[PaperTable]:
    """The tables whose names match a pattern, such as `mobilenet*`. Raises UsageError where there are none."""
    found = [name for name in table_names() if fnmatchcase(name, pattern)]
    if not found and "*" in pattern:
        raise UsageError(f"no paper table matches {pattern!r}; there are {', '.join(table_names())}")
    if not found:
        raise UnknownNameError("paper table", pattern, table_names())
    return [paper_table(name) for name in found]


def _row_verdict(figures: tuple[ComparedFigure, ...], recomputed: set[str]) -> Verdict:
    verdicts = {figure.verdict for figure in figures if figure.column in recomputed}
    return next((verdict for verdict in SEVERITY if verdict in verdicts), "not measured")


def _measured_row(table: PrintedTable, row: PrintedRow) -> list[Ours]:
    return [_measured(row, column) for column in table.columns]


def _measured(row: PrintedRow, column: PrintedColumn) -> Ours:
    measure = row.measure if row.measure and column.measure else column.measure
    if not row.network or measure in ("", ACCURACY) or column.title in row.trained:
        return None
    return measured(row, measure, row.unit or column.unit)


def _figures(table: PrintedTable, row: PrintedRow, ours: list[Ours]) -> Iterator[ComparedFigure]:
    for column, cell, mine in zip(table.columns, row.cells, ours, strict=True):
        if not column.measure and not column.network:
            continue
        if cell in EMPTY:
            yield ComparedFigure(column.title, cell, "", "no figure")
        elif _is_unmeasured(table, row, column):
            why = table.accuracy or TRAINING if column.measure == ACCURACY else row.unmeasured or table.unmeasured
            yield ComparedFigure(column.title, cell, "", "not measured", why)
        else:
            yield _compared(column.title, cell, mine, _why(table, row, column), own=_why_of_row(row, column) != "")


def _is_unmeasured(table: PrintedTable, row: PrintedRow, column: PrintedColumn) -> bool:
    if column.measure == ACCURACY or column.title in row.trained:
        return True
    return not table.architecture and not row.network


def _compared(title: str, cell: str, mine: Ours, why: str, *, own: bool) -> ComparedFigure:
    """The verdict; an explanation of the row's own for figures that agree makes it "differs", since it must go."""
    exact = mine.exact if isinstance(mine, Count) else None
    ours = mine.as_printed(cell) if isinstance(mine, Count) else NOTHING if mine is None else mine
    if ours == cell:
        stale = f"equal, so there is nothing to explain: {why}" if own else ""
        return ComparedFigure(title, cell, ours, "differs" if own else "equal", stale, exact)
    return ComparedFigure(title, cell, ours, "explained" if why else "differs", why, exact)


def _why(table: PrintedTable, row: PrintedRow, column: PrintedColumn) -> str:
    return _why_of_row(row, column) or row.why.get(ALL, "") or table.why.get(column.title, "")


def _why_of_row(row: PrintedRow, column: PrintedColumn) -> str:
    return row.why.get(column.title, "") or row.why.get(column.measure, "")
