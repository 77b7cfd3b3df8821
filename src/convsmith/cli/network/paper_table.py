"""`convsmith paper-table`: a paper's table, with ours beside."""

from __future__ import annotations

from typing import Annotated

import typer

from convsmith.cli.verb import say
from convsmith.errors import ConvsmithError, UsageError


def paper_table(
    name: Annotated[
        str | None, typer.Argument(help="A table, or a pattern: 'mobilenet*'. All are listed without one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects, exact figures included.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> None:
    """Print a table as its paper has it, with every figure recomputed beside: equal, explained, or not measured.

    Accuracies are not measured: that takes the paper's training. If a figure differs unexplained the exit code is 1.

    Examples: convsmith paper-table; convsmith paper-table mobilenet-9
    """
    from convsmith.zoo.paper_tables import paper_tables
    from convsmith.zoo.paper_tables.text import markdown_of

    if as_json and markdown:
        raise UsageError("give one or the other, not both", settings=("as_json", "markdown"))
    if name is None:
        _list_tables(as_json)
        return
    tables = paper_tables(name)
    if as_json:
        say([table.to_json() for table in tables], as_json=True)
    else:
        say("\n\n".join(map(markdown_of if markdown else str, tables)), as_json=False)
    differing = [f"{table.name}: {row.cells[0]}" for table in tables for row in table.rows if row.verdict == "differs"]
    if differing:
        raise ConvsmithError(f"figures differ in {'; '.join(differing)}")


def _list_tables(as_json: bool) -> None:
    from convsmith.cost.table import aligned
    from convsmith.zoo.paper_tables.printed import printed_table, table_names

    rows = [(name, printed_table(name).title, printed_table(name).source) for name in table_names()]
    if as_json:
        say([{"name": name, "title": title, "source": source} for name, title, source in rows], as_json=True)
    else:
        say(aligned(("table", "what it prints"), [row[:2] for row in rows], "ll"), as_json=False)
