"""A scaled network as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from convsmith.cost.table import WIDTH, aligned
from convsmith.network.describe import short
from convsmith.network.dims import text
from convsmith.scaling.line import Member
from convsmith.scaling.scaled import GridPoint, Scaled, Step
from convsmith.scaling.target import said

SOURCES = {
    "given": "as given",
    "EfficientNet's": "EfficientNet's (Tan and Le 2019, section 4): without data none are found",
    "searched": "found on the data",
}

ROUNDING = (
    "Blocks are rounded up in each stage, channels to multiples of 8 but never below 90% of the product, and sides to "
    "whole pixels, so that costs grow in steps."
)


def table(scaled: Scaled) -> str:
    """The constants and how they were found, the family, the ways at equal cost, and what is to be known."""
    blocks = [_title(scaled)]
    if scaled.grid:
        blocks.append(_grid(scaled))
    blocks += [_family(scaled), _ways(scaled), _notes(scaled)]
    return "\n\n".join(blocks)


def _title(scaled: Scaled) -> str:
    base, chosen, unit = scaled.base.member, scaled.chosen, scaled.unit
    constants = scaled.constants
    rows = [
        ("network", f"{base.network.name}, {text(base.network.input)}: {_cost(base)}"),
        ("constants", f"{constants}: {SOURCES[scaled.found_by]}"),
        ("growth", f"depth * width^2 * resolution^2 = {constants.growth:.3g} for each coefficient"),
        *(("not scaled", f"{part}: {why}") for part, why in scaled.fixed.items()),
        ("asked for", scaled.target),
        ("scaled", f"coefficient {chosen.phi:g}, {text(chosen.network.input)}: {_cost(chosen)}"),
    ]
    if unit == "ms":
        rows.append(("latency", f"{said(base.figure(unit), unit)} before, {said(chosen.figure(unit), unit)} scaled"))
    if scaled.start is not None:
        rows.append(("starts with", scaled.start.how))
    return aligned((), rows, "ll")


def _cost(member: Member) -> str:
    return f"{short(member.cost.params)} parameters, {short(member.cost.macs)} MACs"


def _grid(scaled: Scaled) -> str:
    """The constants that were tried, the best first."""
    order = sorted(scaled.grid, key=lambda point: (-point.reached.epochs, -point.reached.value))
    base = float(scaled.base.member.cost.macs)
    rows = [_point(point, base) for point in order]
    header = ("depth", "width", "resolution", "MACs", "parameters", "epochs", "val accuracy")
    return f"Constants tried on {scaled.data}, the worse half stopped at each step\n{aligned(header, rows, 'rrrrrrl')}"


def _point(point: GridPoint, base: float) -> tuple[str, ...]:
    member, factors = point.member, point.member.factors
    return (
        f"{factors.depth:.2f}",
        f"{factors.width:.2f}",
        f"{factors.resolution:.2f}",
        f"{float(member.cost.macs) / base:.2f}x",
        short(member.cost.params),
        str(point.reached.epochs),
        "diverged" if point.reached.accuracy is None else str(point.reached.accuracy),
    )


def _family(scaled: Scaled) -> str:
    return f"The family\n{_members(scaled, (Step(member) for member in scaled.family), ())}"


def _ways(scaled: Scaled) -> str:
    title = "At equal cost" + (f", each trained {scaled.epochs} epochs on {scaled.data}" if scaled.base.reached else "")
    if not scaled.base.reached:  # without accuracies, the last step says enough
        steps = [way.steps[-1] for way in scaled.ways]
        return f"{title}\n{_members(scaled, steps, [way.name for way in scaled.ways])}"
    steps = [scaled.base, *(step for way in scaled.ways for step in way.steps)]
    names = ["as given", *(way.name for way in scaled.ways for _ in way.steps)]
    return f"{title}\n{_members(scaled, steps, names)}"


def _members(scaled: Scaled, steps: Iterable[Step], names: Iterable[str]) -> str:
    found, said_names = list(steps), list(names)
    base = float(scaled.base.member.cost.macs)
    header = [
        "coefficient" if not said_names else "",
        "depth",
        "width",
        "resolution",
        "input",
        "parameters",
        "MACs",
        "",
    ]
    sides = "lrrrrrrr"
    rows = []
    for place, step in enumerate(found):
        member, factors = step.member, step.member.factors
        name = said_names[place] if said_names else f"{member.phi:g}"
        cells = [name, f"{factors.depth:.2f}", f"{factors.width:.2f}", f"{factors.resolution:.2f}"]
        cells += [text(member.network.input), short(member.cost.params), short(member.cost.macs)]
        cells.append(f"{float(member.cost.macs) / base:.2f}x")
        if scaled.unit == "ms":
            cells.append("" if member.latency is None else said(member.latency, "ms"))
        if said_names and scaled.base.reached:
            accuracy = None if step.reached is None else step.reached.accuracy
            cells.append("diverged" if accuracy is None else str(accuracy))
        rows.append(cells)
    if scaled.unit == "ms":
        header, sides = [*header, "latency"], sides + "r"
    if said_names and scaled.base.reached:
        header, sides = [*header, "val accuracy"], sides + "l"
    return aligned(header, rows, sides)


def _notes(scaled: Scaled) -> str:
    return "\n".join(textwrap.fill(note, WIDTH) for note in (*scaled.notes, ROUNDING))
