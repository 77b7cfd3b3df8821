"""Paper tables as text of at most 100 columns, and as Markdown."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

from convsmith.cost.table import aligned, display_width
from convsmith.zoo.paper_tables.compare import ComparedFigure, ComparedRow, PaperTable

WIDTH = 100

UNMEASURED = "-"
"""Our cell where a figure is not measured."""

Line = tuple[str, ...]


def text_of(table: PaperTable) -> str:
    """Title, source, the table with ours beside or below, notes, and how many rows are equal.

    Where both sides do not fit beside each other, a row has a second line with ours unless all its figures are equal.
    """
    notes = _notes(table)
    header, rows = _beside(table, notes)
    lines = aligned(header, (line for row in rows for line in _lines(row)), _sides(table, header))
    if max(map(display_width, lines.splitlines())) > WIDTH:
        header, rows = _below(table, notes)
        lines = aligned(header, (line for row in rows for line in _lines(row)), _sides(table, header))
    head = _filled(f"{table.name}: {table.title}") + _filled(table.source)
    return "\n".join([*head, "", lines, "", *_told(table, notes, beside="ours" in header)])


def markdown_of(table: PaperTable) -> str:
    """The same as a Markdown table, ours always beside."""
    notes = _notes(table)
    header, rows = _beside(table, notes)
    sides = ["---:" if side == "r" else "---" for side in _sides(table, header)]
    lines = [header, tuple(sides), *rows]
    body = ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", "<br>") for cell in line) + " |" for line in lines]
    listed = [f"{number}. {note}" for note, number in notes.items()]
    told = [*listed, "", *_unmeasured(table), "", _counted(table)]
    return "\n".join([f"**{table.title}** ({table.source})", "", *body, "", *told]).replace("\n\n\n", "\n\n")


def _notes(table: PaperTable) -> dict[str, int]:
    """Explanation -> its number, in the order of the table."""
    found = [figure.why for row in table.rows for figure in row.figures if figure.verdict in ("explained", "differs")]
    return {why: number for number, why in enumerate(dict.fromkeys(filter(None, found)), 1)}


def _beside(table: PaperTable, notes: dict[str, int]) -> tuple[Line, list[Line]]:
    """A column of ours after each that is recomputed."""
    compared = [title for title in table.columns if table.is_recomputed(title)]
    header = [cell for title in table.columns for cell in ((title, "ours") if title in compared else (title,))]
    rows = []
    for row in table.rows:
        figures = {figure.column: figure for figure in row.figures}
        cells = []
        for title, cell in zip(table.columns, row.cells, strict=True):
            cells += [cell, _ours(figures[title])] if title in compared else [cell]
        rows.append((*cells, _verdict(row, notes)))
    return (*header, "verdict"), rows


def _below(table: PaperTable, notes: dict[str, int]) -> tuple[Line, list[Line]]:
    """A line of ours below each row that is recomputed and not equal."""
    rows: list[Line] = []
    for row in table.rows:
        rows.append((*row.cells, _verdict(row, notes)))
        if row.verdict != "equal" and any(figure.ours for figure in row.figures):
            figures = {figure.column: figure for figure in row.figures}
            ours = [_ours(figures[title]) if title in figures else "" for title in table.columns[1:]]
            rows.append(("  ours", *ours, ""))
    return (*table.columns, "verdict"), rows


def _ours(figure: ComparedFigure) -> str:
    return {"not measured": UNMEASURED, "no figure": ""}.get(figure.verdict, figure.ours)


def _verdict(row: ComparedRow, notes: dict[str, int]) -> str:
    """The verdict and the numbers of its notes: "explained [1, 3]"."""
    numbers = sorted({notes[figure.why] for figure in row.figures if figure.why in notes})
    return row.verdict + (f" [{', '.join(map(str, numbers))}]" if numbers else "")


def _lines(row: Line) -> Iterator[Line]:
    """A row whose cells have several lines, as several rows."""
    cells = [cell.split("\n") for cell in row]
    for number in range(max(map(len, cells))):
        yield tuple(lines[number] if number < len(lines) else "" for lines in cells)


def _sides(table: PaperTable, header: Sequence[str]) -> str:
    """Numbers to the right: columns whose every figure starts with a digit and has one line."""
    numeric = {
        title
        for at, title in enumerate(table.columns)
        if all(_is_number(row.cells[at]) for row in table.rows) and any(row.cells[at] for row in table.rows)
    }
    sides, last = "", "l"
    for title in header:
        last = last if title == "ours" else "r" if title in numeric else "l"
        sides += last
    return sides[:-1] + "l"


def _is_number(cell: str) -> bool:
    return not cell or cell == "-" or (cell[0].isdigit() and "\n" not in cell and " " not in cell)


def _told(table: PaperTable, notes: dict[str, int], *, beside: bool) -> Iterator[str]:
    for note, number in notes.items():
        yield textwrap.fill(f"[{number}] {note}", WIDTH, subsequent_indent=" " * len(f"[{number}] "))
    yield from _filled("\n".join(_unmeasured(table)))
    if not beside and any(row.verdict == "equal" for row in table.rows):
        yield "A row without a line of ours is equal in every figure that is recomputed."
    yield _counted(table)


def _unmeasured(table: PaperTable) -> list[str]:
    """Which figures are not measured, and what they would take: whole columns, or single rows."""
    by_reason: dict[str, dict[str, None]] = {}
    for row in table.rows:
        for figure in row.figures:
            if figure.verdict == "not measured":
                what = _row_name(table, row) if table.is_recomputed(figure.column) else figure.column
                by_reason.setdefault(figure.why, {})[what] = None
    return [f"Not measured: {'; '.join(what)}. Needed: {why}." for why, what in by_reason.items()]


def _row_name(table: PaperTable, row: ComparedRow) -> str:
    """The cells that say which row it is."""
    figures = {figure.column for figure in row.figures}
    named = [cell for title, cell in zip(table.columns, row.cells, strict=True) if title not in figures]
    return " ".join(named)


def _counted(table: PaperTable) -> str:
    counts = Counter(row.verdict for row in table.rows)
    return f"rows: {len(table.rows)}: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items())


def _filled(words: str) -> list[str]:
    return [line for paragraph in words.splitlines() for line in textwrap.wrap(paragraph, WIDTH)]
