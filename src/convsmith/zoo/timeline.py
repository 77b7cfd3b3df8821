"""The zoo by year: each paper's best known network, what it costs, how well it does, and what was new."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from convsmith.cost import cost_of
from convsmith.cost.table import aligned
from convsmith.network.describe import short
from convsmith.records import to_json as plain
from convsmith.zoo.paper import Paper
from convsmith.zoo.registry import VARIANTS, Variant, create

WIDTH = 100
INDENT = "      "
COLUMNS = ("date", "network", "parameters", "MACs", "top-1")


@dataclass(frozen=True)
class Landmark:
    """One network of the timeline. `top1` and `top5` are the paper's, in percent on ImageNet; None where it has none.

    `networks` are all that the paper brought into the zoo.
    """

    network: str
    family: str
    paper: Paper
    params: int
    macs: int
    top1: float | None
    top5: float | None
    protocol: str
    networks: tuple[str, ...]

    @property
    def date(self) -> str:
        """Year and month: "2014-09"."""
        return f"{self.paper.year}-{self.paper.month:02}"

    @property
    def year(self) -> float:
        """The date as a fraction of years, in the middle of the month."""
        return self.paper.year + (self.paper.month - 0.5) / 12

    def to_json(self) -> dict[str, Any]:
        """The landmark as JSON values."""
        return {"date": self.date, **plain(self)}


def timeline() -> list[Landmark]:
    """The flagship of each paper of the zoo, by date."""
    found = [_landmark(variant) for variant in VARIANTS.values() if variant.flagship]
    return sorted(found, key=lambda one: (one.date, one.network))


def text_of(landmarks: Sequence[Landmark]) -> str:
    """A table in which each network's row is followed by its paper and by what was new."""
    table = aligned(COLUMNS, [_cells(one) for one in landmarks], "llrrr").splitlines()
    lines = table[:2]
    for one, row in zip(landmarks, table[2:], strict=True):
        told = f"{one.paper.new} {one.paper.cited}, {one.paper.source}."
        told += f" Top-1: {one.protocol}." if one.protocol else ""
        lines += [row, textwrap.fill(told, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)]
    return "\n".join([*lines, "", "top-1: accuracy on ImageNet's validation images as the paper prints it."])


def _landmark(variant: Variant) -> Landmark:
    cost, published = cost_of(create(variant.name).inference), variant.published
    return Landmark(
        variant.name,
        variant.family_name,
        variant.paper,
        int(cost.params),
        int(cost.macs),
        published.top1,
        published.top5,
        published.protocol,
        tuple(one.name for one in VARIANTS.values() if one.paper == variant.paper),
    )


def _cells(one: Landmark) -> tuple[str, ...]:
    top1 = f"{one.top1}%" if one.top1 is not None else ""
    return (one.date, one.network, short(one.params), short(one.macs), top1)
