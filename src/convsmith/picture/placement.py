"""Where the boxes of an outline stand: rows by depth, columns by branch, arrows that avoid boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convsmith.picture.outline import Outline

Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """(row, column) of each box; column 0 is the trunk, branches stand to its right (1, 2) and left (-1, -2)."""

    cells: tuple[Cell, ...]

    @property
    def rows(self) -> int:
        return 1 + max(row for row, _ in self.cells)

    @property
    def columns(self) -> range:
        return range(min(c for _, c in self.cells), max(c for _, c in self.cells) + 1)

    def clear(self, column: int, above: int, below: int) -> bool:
        """Whether no box stands in a column strictly between two rows."""
        return not any(above < row < below for row, c in self.cells if c == column)


def place(outline: Outline) -> Layout:
    """Each box in the row below its last input; in that input's column where it is the first to follow."""
    sources: list[list[int]] = [[] for _ in outline.boxes]
    for source, target in outline.arrows:
        sources[target].append(source)
    cells: dict[int, Cell] = {}
    taken: set[Cell] = set()
    trunk = _ancestors(sources, outline.output)
    for index in (*trunk, *(i for i in range(len(sources)) if i not in trunk)):
        inputs = sources[index]
        row = 1 + max((cells[i][0] for i in inputs), default=-1)
        column = _column(row, [cells[i] for i in inputs], taken)
        # A branch that waits for a longer one keeps its column until they join.
        for i in inputs:
            above, side = cells[i]
            if side != column:
                taken.update((between, side) for between in range(above + 1, row))
        cells[index] = (row, column)
        taken.add((row, column))
    return Layout(tuple(cells[i] for i in range(len(sources))))


def _ancestors(sources: Sequence[Sequence[int]], output: int) -> list[int]:
    """Boxes that the output needs, in order: auxiliary heads must not take the trunk's column."""
    needed = {output}
    for index in range(output, -1, -1):
        if index in needed:
            needed.update(sources[index])
    return sorted(needed)


def _column(row: int, inputs: Sequence[Cell], taken: set[Cell]) -> int:
    start = min((column for _, column in inputs), key=abs, default=0)
    candidates = [start, *(side for i in range(1, len(taken) + 2) for side in (start + i, start - i))]
    return next(column for column in candidates if (row, column) not in taken)
