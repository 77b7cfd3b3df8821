"""The tables that papers print, each figure recomputed from the networks of the zoo.

What is printed stands in data/*.toml, a table by name; `paper_table(name)` puts ours beside it.
"""

from convsmith.zoo.paper_tables.compare import ComparedFigure, ComparedRow, PaperTable, paper_table, paper_tables
from convsmith.zoo.paper_tables.printed import table_names

__all__ = ["ComparedFigure", "ComparedRow", "PaperTable", "paper_table", "paper_tables", "table_names"]
