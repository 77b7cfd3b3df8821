"""Every published figure computed again: the paper's, the other libraries', ours, and whether they agree."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Literal

from convsmith.cost import Cost, cost_of
from convsmith.zoo.libraries import NAMES
from convsmith.zoo.paper import PaperFigures
from convsmith.zoo.registry import POINTS, create, find, models, named

Verdict = Literal["equal", "explained", "differs", "no figure", "not measured"]

FIGURES = {"params_m": ("parameters", 6), "gmacs": ("multiply-adds", 9)}
"""Field of `PaperFigures` -> its title, and the power of ten of its unit."""


@dataclass(frozen=True, slots=True)
class Certified:
    """One figure of one network. `paper` and `peers` are as printed; `why` is the cause of a deviation."""

    network: str
    figure: str
    paper: str
    peers: str
    ours: str
    verdict: Verdict
    why: str = ""


COLUMNS = ("network", "figure", "verdict", "paper", "ours", "peers", "why")


def cells(row: Certified) -> tuple[str, ...]:
    """A row of the table with these `COLUMNS`."""
    return (row.network, row.figure, row.verdict, row.paper, row.ours, row.peers, row.why)


@cache
def peers() -> Mapping[str, Mapping[str, float]]:
    """The libraries' own figures, by "library/name": `params`, and `macs` exactly or `gmacs` to 3 decimals.

    Collected by scripts/collect_peers.py.
    """
    data: dict[str, dict[str, float]] = json.loads((resources.files(__package__) / "peers.json").read_text())
    return data


def certify(pattern: str = "*") -> Iterator[Certified]:
    """Every figure of the networks whose names match `pattern`, in the order of `certified_names`.

    A figure that the paper does not print gets a row that says so. Accuracies are listed as not measured: that takes
    ImageNet.
    """
    for name in certified_names(pattern):
        yield from _by_library(name) if named(name).origin.library else _by_paper(name)


def certified_names(pattern: str = "*") -> list[str]:
    """The names that match `pattern`, each followed by its other published widths and sides."""
    others = [*POINTS, *(name for name in peers() if ":" in name)]
    listed = [
        name for base in models() for name in (base, *(other for other in others if other.startswith(f"{base}:")))
    ]
    return [name for name in listed if fnmatchcase(name, pattern)]


def _by_paper(name: str) -> Iterator[Certified]:
    published = find(name)[0].published
    cost = cost_of(create(name).inference)
    missing = []
    for field, (title, _) in FIGURES.items():
        if getattr(published, field) is None:
            missing.append(title)
        else:
            yield _against_paper(name, field, published, cost)
    if published.top1 is None:
        missing.append("accuracy")
    else:
        printed = f"{published.top1}%" + (f", top-5 {published.top5}%" if published.top5 else "")
        yield Certified(name, "top-1", printed, "", "", "not measured", f"needs ImageNet; {published.protocol}")
    if missing:
        yield Certified(name, ", ".join(missing), "", "", "", "no figure", "the paper prints none for this network")


def _against_paper(name: str, field: str, published: PaperFigures, cost: Cost) -> Certified:
    title, power = FIGURES[field]
    printed = getattr(published, field)
    exact = cost.params if field == "params_m" else cost.macs
    equal = rounded_as(printed, exact, power) == Decimal(str(printed))
    why = published.deviations.get(field, "")
    verdict: Verdict = "equal" if equal else "explained" if why else "differs"
    if equal and why:
        verdict, why = "differs", f"equal, so there is nothing to explain: {why}"
    return Certified(
        name, title, in_units(printed, power), "; ".join(_peers_of(name, field)), f"{exact:,}", verdict, why
    )


def in_units(printed: float, power: int) -> str:
    """A printed figure with its unit, M or G; below 1 G in M."""
    if power == 9 and printed < 1:
        printed, power = round(printed * 1000, 3), 6
    return f"{printed:g} {'M' if power == 6 else 'G'}"


def rounded_as(printed: float, exact: int, power: int) -> Decimal:
    """`exact` / 10^power, rounded to as many decimals as `printed` has."""
    return Decimal(exact).scaleb(-power).quantize(Decimal(str(printed)), ROUND_HALF_UP)


def _peers_of(name: str, field: str) -> Iterator[str]:
    """The same network in other libraries: the figures of names that stand for this very variant."""
    for theirs, (record, alias) in NAMES.items():
        if alias.variant == name and not alias.hyperparameters and alias.input is None and theirs in peers():
            figures, library = peers()[theirs], record.library
            if field == "params_m":
                yield f"{library} {figures['params']:,}"
            elif "macs" in figures:
                yield f"{library} {figures['macs']:,}"


def _by_library(name: str) -> Iterator[Certified]:
    theirs = peers().get(name)
    if theirs is None:
        yield Certified(name, "parameters, multiply-adds", "", "", "", "no figure", "no reference figure was computed")
        return
    cost = cost_of(create(name))
    yield _equal(name, "parameters", f"{theirs['params']:,}", f"{cost.params:,}")
    if "macs" in theirs:
        yield _equal(name, "multiply-adds", f"{theirs['macs']:,}", f"{cost.macs:,}")
    elif "gmacs" in theirs:
        yield _equal(name, "multiply-adds", f"{theirs['gmacs']:.3f} G", f"{cost.macs / 1e9:.3f} G")
    else:
        yield Certified(name, "multiply-adds", "", "", f"{cost.macs:,}", "no figure", "the library does not count them")


def _equal(name: str, figure: str, theirs: str, ours: str) -> Certified:
    return Certified(name, figure, "", theirs, ours, "equal" if theirs == ours else "differs")
