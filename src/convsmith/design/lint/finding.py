"""A rule, what it finds, and the register of all rules."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from convsmith.cost.table import WIDTH

if TYPE_CHECKING:
    from convsmith.design.lint.facts import Facts
    from convsmith.network.network import Network

SHOWN_NODES = 4
"""Layers that a line names; the others are counted. JSON has all."""

MODULES = ("geometry", "field", "channels", "dense", "depth", "activation", "graph", "data")
"""Of `convsmith.design.lint.checks`: importing one registers its rules."""


class Fault(NamedTuple):
    """What a rule's check gives: the layers, why they are named, and what would be better."""

    nodes: tuple[str, ...]
    why: str
    suggestion: str


Check = Callable[["Facts"], Iterator[Fault]]
Mend = Callable[["Network", tuple[str, ...]], "Network"]
"""Makes of a network and a finding's layers one without the fault, which gives the same logits."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of design. `rationale` says why it holds, `source` who measured or stated it."""

    code: str
    name: str
    rationale: str
    source: str
    check: Check
    mend: Mend | None = None

    @property
    def fixable(self) -> bool:
        """Whether `mended` can take the fault out."""
        return self.mend is not None


@dataclass(frozen=True, slots=True)
class Finding:
    """A layer, or several with the same fault, that break a rule.

    `explained` are the words of the network's paper card, where the paper itself breaks the rule and says why; such a
    finding is reported, but does not count.
    """

    code: str
    name: str
    nodes: tuple[str, ...]
    why: str
    suggestion: str
    source: str
    fixable: bool = False
    explained: str = ""

    @property
    def counts(self) -> bool:
        """Whether no card explains it."""
        return not self.explained

    @property
    def place(self) -> str:
        """The layers in a few words."""
        more = len(self.nodes) - SHOWN_NODES
        return ", ".join(self.nodes[:SHOWN_NODES]) + (f" and {more} more" if more > 0 else "")

    def to_json(self) -> dict[str, Any]:
        """A JSON value."""
        from convsmith import records

        data: dict[str, Any] = records.to_json(self)
        return data

    def __str__(self) -> str:
        head = f"{self.code} {self.name}: {self.place}" if self.nodes else f"{self.code} {self.name}"
        better = f"better: {self.suggestion}{' (can be fixed)' if self.fixable else ''}"
        words = (self.why, f"explained by its card: {self.explained}" if self.explained else better)
        return "\n".join([head, *map(indented, (*words, f"source: {self.source}"))])


def indented(words: str) -> str:
    """A paragraph below a heading."""
    return textwrap.fill(words, WIDTH, initial_indent="  ", subsequent_indent="    ")


_RULES: dict[str, Rule] = {}


def rule(code: str, name: str, *, rationale: str, source: str, mend: Mend | None = None) -> Callable[[Check], Check]:
    """Registers a check."""

    def register(check: Check) -> Check:
        if code in _RULES:
            raise ValueError(f"two rules are called {code}")
        _RULES[code] = Rule(code, name, rationale, source, check, mend)
        return check

    return register


def rules() -> tuple[Rule, ...]:
    """Every rule, by code."""
    for module in MODULES:
        import_module(f"convsmith.design.lint.checks.{module}")
    return tuple(_RULES[code] for code in sorted(_RULES))
