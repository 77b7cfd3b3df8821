"""Writes the papers' tables into docs/tables.md, below the line that says so.

    python scripts/make_tables_page.py

What stands above the line is written by hand. A test holds the page to what `convsmith paper-table` prints today.
"""

from __future__ import annotations

from pathlib import Path

from convsmith.zoo.paper_tables import paper_table, table_names
from convsmith.zoo.paper_tables.text import markdown_of

PAGE = Path(__file__).parents[1] / "docs/tables.md"
LINE = "<!-- made by scripts/make_tables_page.py: what stands below this line is overwritten -->"


def below_the_line() -> str:
    sections = [f"### {name}\n\n{markdown_of(paper_table(name))}" for name in table_names()]
    return "\n\n".join(sections) + "\n"


def main() -> None:
    by_hand, line, _ = PAGE.read_text(encoding="utf-8").partition(LINE)
    assert line, f"{PAGE} has no line {LINE}"
    PAGE.write_text(f"{by_hand}{LINE}\n\n{below_the_line()}", encoding="utf-8")
    print(f"{PAGE}: {len(table_names())} tables")


if __name__ == "__main__":
    main()
