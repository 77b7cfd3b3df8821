"""The constants that are tried: on a grid, each network at the same cost."""

from __future__ import annotations

from collections.abc import Collection
from math import sqrt
from typing import Any

import numpy as np

from convsmith.cost import cost_of
from convsmith.design.candidates import Candidates
from convsmith.errors import ShapeError, UsageError
from convsmith.network.network import Network
from convsmith.scaling.line import LatencyOf, Member, with_latency
from convsmith.scaling.target import Unit
from convsmith.transform.compound import Factors, scale_network, side_at

GROWTH = 2.0
"""What coefficient 1 multiplies the cost by (Tan and Le 2019, equation 3)."""

DEPTHS = (1.0, 1.2, 1.4, 1.7, 2.0)
RESOLUTIONS = (1.0, 1.1, 1.2, 1.3, sqrt(2))
"""Values of alpha and gamma. Beta follows: the width that makes up the cost."""

WIDTHS = np.arange(1.0, 2.0, 0.01)

TOLERANCE = 0.1
"""How far from `GROWTH` times the cost a network of the grid may be, as a share; rounding leaves few nearer."""


def grid_of(
    net: Network, fixed: Collection[str], *, unit: Unit = "macs", latency_of: LatencyOf | None = None
) -> tuple[Member, ...]:
    """Networks at about `GROWTH` times the multiply-adds, or the ms, of `net`: the grid of `DEPTHS` and `RESOLUTIONS`
    with the width that comes nearest, without those that round to the same network. Each has coefficient 1.

    `fixed` names what cannot be scaled. Raises UsageError where no point comes within `TOLERANCE`.
    """
    base = Member(0.0, Factors(), cost_of(net))
    if unit == "ms":
        assert latency_of is not None
        base = with_latency(base, latency_of)
    wanted = GROWTH * base.figure(unit)
    found: dict[Network, Member] = {}
    for depth in (1.0,) if "depth" in fixed else DEPTHS:
        for resolution in (1.0,) if "resolution" in fixed else RESOLUTIONS:
            member = _nearest(net, depth, resolution, fixed, wanted, latency_of if unit == "ms" else None)
            if member is not None and abs(member.figure(unit) / wanted - 1) <= TOLERANCE:
                found.setdefault(member.network, member)
    if not found:
        raise UsageError(f"{net.name}: no scaling comes within {TOLERANCE:.0%} of {GROWTH:g} times its cost")
    return tuple(found.values())


def _nearest(
    net: Network, depth: float, resolution: float, fixed: Collection[str], wanted: float, latency_of: LatencyOf | None
) -> Member | None:
    """The network at this depth and resolution whose width comes nearest to a cost; None where layers do not fit."""
    widths = np.array([1.0]) if "width" in fixed else WIDTHS
    side = side_at(net, resolution)
    same: Any = np.ones(len(widths))
    try:
        macs = Candidates.by_factors(net, widths, depth * same, np.full(len(widths), side)).totals.macs
    except ShapeError:
        return None
    different = [place for place in range(len(widths)) if place == 0 or macs[place] > macs[place - 1]]
    if latency_of is None:
        place = min(different, key=lambda place: abs(float(macs[place]) - wanted))
        return _member(net, Factors(depth, float(widths[place]), resolution))
    return _nearest_timed(
        net, [Factors(depth, float(widths[place]), resolution) for place in different], wanted, latency_of
    )


def _nearest_timed(net: Network, factors: list[Factors], wanted: float, latency_of: LatencyOf) -> Member:
    """By bisection over networks that get wider."""
    low, high, found = 0, len(factors) - 1, []
    while low <= high:
        middle = (low + high) // 2
        found.append(with_latency(_member(net, factors[middle]), latency_of))
        low, high = (middle + 1, high) if found[-1].figure("ms") < wanted else (low, middle - 1)
    return min(found, key=lambda member: abs(member.figure("ms") - wanted))


def _member(net: Network, factors: Factors) -> Member:
    return Member(1.0, factors, cost_of(scale_network(net, factors)))
