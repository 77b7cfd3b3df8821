"""What papers print: tables as data, read from data/*.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib import resources
from re import fullmatch

from convsmith.errors import UnknownNameError
from convsmith.records import from_json

ALL = "all"
"""In a `why`: whatever differs in the row."""


@dataclass(frozen=True)
class PrintedColumn:
    """A column of a table. Without a measure or a network it names its rows, or says something that is no figure."""

    title: str
    measure: str = ""
    """What is recomputed (see `measures` and `architecture`); accuracies are not."""
    unit: float = 1
    """What one of the printed figure stands for: 1e6 where parameters are printed in millions."""
    network: str = ""
    """In tables of architectures: the network that the column describes."""


@dataclass(frozen=True)
class PrintedRow:
    """A row of a table, its cells as they are printed, and what they are recomputed from."""

    cells: tuple[str, ...]
    network: str = ""
    classes: int | None = None
    side: int | None = None
    """Of a square input, where it is not the network's usual one."""
    layer: str = ""
    layers: tuple[str, ...] = ()
    """Layers, or the scopes that hold them, where the row is part of a network."""
    against: str = ""
    """The network that ratios are to."""
    measure: str = ""
    unit: float | None = None
    """Both instead of the column's."""
    trained: tuple[str, ...] = ()
    """Columns whose figures take trained weights."""
    unmeasured: str = ""
    """What the row's figures would take, where they are not recomputed."""
    why: Mapping[str, str] = field(default_factory=dict)
    """Column, by title or measure -> why the printed figure is not that of the network's layers."""


@dataclass(frozen=True)
class PrintedTable:
    """A table with its source. `why` and `unmeasured` hold for the rows that have none of their own."""

    title: str
    source: str
    columns: tuple[PrintedColumn, ...]
    rows: tuple[PrintedRow, ...]
    architecture: str = ""
    """The function of `architecture` that writes our side of the table; none where rows are networks with figures."""
    accuracy: str = ""
    """What its accuracies would take, if not just the paper's training and images."""
    unmeasured: str = ""
    why: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Count:
    """A recomputed figure: exactly, and in units as they are printed."""

    exact: float
    unit: float = 1

    def as_printed(self, cell: str) -> str:
        """The figure with the printed one's decimals and unit: 4,231,976 in millions is "4.2M" beside "4.4M"."""
        number = fullmatch(r"([\d.]+)(.*)", cell)
        if number is None:
            return str(self)
        digits, unit = number.groups()
        rounded = (Decimal(self.exact) / Decimal(self.unit)).quantize(Decimal(digits), ROUND_HALF_UP)
        return f"{rounded}{unit}"

    def __str__(self) -> str:
        return f"{self.exact:,}"


def table_names() -> list[str]:
    """The names that `paper_table` takes."""
    return list(_tables())


def printed_table(name: str) -> PrintedTable:
    """The table as it is printed. Raises UnknownNameError with the nearest names."""
    if name not in _tables():
        raise UnknownNameError("paper table", name, _tables())
    return _tables()[name]


@cache
def _tables() -> Mapping[str, PrintedTable]:
    folder = resources.files(__package__) / "data"
    found: dict[str, PrintedTable] = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        for name, table in tomllib.loads(file.read_text(encoding="utf-8")).items():
            found[name] = from_json(PrintedTable, table, f"a table, {name}")
    return found
