"""Paper cards as text: where a network comes from, what was new, what was printed, and where others differ."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from convsmith.cost.table import WIDTH, aligned
from convsmith.network.dialect import PLAIN, Dialect
from convsmith.network.dims import text
from convsmith.zoo.certify import COLUMNS, cells, certify
from convsmith.zoo.registry import departures_of, named

INDENT = 12


def card(name: str) -> str:
    """The card of a network by name, without a final newline. Raises UnknownNameError."""
    return "\n".join(_facts(name)) + "\n\n" + _figures(name)


def card_json(name: str) -> dict[str, Any]:
    """The card as JSON values."""
    variant, _, origin, _ = named(name)
    return {
        "name": name,
        "variant": variant.name,
        "input": list(variant.input),
        "classes": variant.classes,
        "paper": asdict(variant.paper),
        "published": None if origin.library else asdict(variant.published),
        "departures": departures_of(origin),
        "figures": [asdict(row) for row in certify(name)],
    }


def _facts(name: str) -> Iterator[str]:
    variant, dialect, origin, _ = named(name)
    paper, published = variant.paper, variant.published
    yield _fact("network", f"{name}; input {text(variant.input)}, {variant.classes} classes")
    if origin.library:
        others = _settings(dialect)
        yield _fact("is", variant.name + (f", with {others}" if others else ""))
    yield _fact("paper", f"{paper.title}. {paper.authors}, {paper.year}; {paper.source}")
    yield _fact("new", paper.new)
    if not origin.library and published.note:
        yield _fact("note", published.note)
    for code, why in departures_of(origin).items():
        yield _fact(f"lint {code}", why)


def _settings(dialect: Dialect) -> str:
    """What a library does differently from papers and PyTorch."""
    plain = asdict(PLAIN)
    changed = {key.replace("_", " "): value for key, value in asdict(dialect).items() if value != plain[key]}
    words = (f"{key} {'yes' if value is True else 'no' if value is False else value}" for key, value in changed.items())
    return ", ".join(words)


def _figures(name: str) -> str:
    return aligned(COLUMNS[1:], [cells(row)[1:] for row in certify(name)], "llrrll")


def _fact(title: str, words: str) -> str:
    filled = textwrap.fill(words, WIDTH - INDENT)
    return textwrap.indent(filled, " " * INDENT).replace(" " * INDENT, f"{title:<{INDENT}}", 1)
